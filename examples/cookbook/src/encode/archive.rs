//! Packs a csv file per day, with the date of that day, as zip and tar.gz.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};
use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipWriter};

use super::table::rows_as_csv;
use crate::sun;

/// Packs with the crate `zip`, as a stream: sizes and checksums follow each file.
pub fn zip(days: u32, w: impl Write) -> io::Result<()> {
    let mut zip = ZipWriter::new_stream(w);
    let options = SimpleFileOptions::default().compression_level(Some(1));
    for day in sun::days(days) {
        let date = day.date();
        let dated = DateTime::from_date_and_time(date.year() as u16, date.month().into(), date.day(), 0, 0, 0);
        let dated = dated.map_err(io::Error::other)?;
        zip.start_file(format!("sun/{date}.csv"), options.last_modified_time(dated))?;
        rows_as_csv(day.rows(), &mut zip)?;
    }
    zip.finish()?.into_inner().flush()
}

/// Packs with `tar` and `flate2`. A header holds the size of its file, so each file is encoded in memory first.
pub fn tar_gz(days: u32, w: impl Write) -> io::Result<()> {
    let mut tar = Builder::new(GzEncoder::new(w, Compression::fast()));
    for day in sun::days(days) {
        let mut file = Vec::new();
        rows_as_csv(day.rows(), &mut file)?;
        let mut header = Header::new_gnu();
        header.set_size(file.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(day.date().midnight().assume_utc().unix_timestamp().unsigned_abs());
        tar.append_data(&mut header, format!("sun/{}.csv", day.date()), &file[..])?;
    }
    tar.into_inner()?.finish()?.flush()
}
