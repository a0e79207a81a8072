use std::io::Write;

use axum::{http::header::CONTENT_TYPE, response::IntoResponse};
use pushpull::Pool;
use zip::{ZipWriter, write::SimpleFileOptions};

pub async fn download() -> impl IntoResponse {
    let archive = Pool::global().pull(|w| {
        let mut zip = ZipWriter::new_stream(w);
        zip.start_file("squares.csv", SimpleFileOptions::default())?;
        for n in 0..1_000_000_u64 {
            writeln!(zip, "{n},{}", n * n)?;
        }
        zip.finish()?;
        Ok(())
    });
    ([(CONTENT_TYPE, "application/zip")], archive)
}
