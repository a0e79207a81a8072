//! The README's handler for axum compiles as shown, and sends what the README says.

// The README's own code.
mod download;

use std::io::{Cursor, Read};

use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use pushpull_testing::watchdog::within;

#[test]
fn the_readme_shows_what_is_tested() {
    let readme = include_str!("../../../README.md");
    let shown = readme.split("```rust,ignore\n").nth(1).and_then(|rest| rest.split("```").next());
    assert_eq!(shown, Some(include_str!("download.rs")));
}

#[test]
fn the_handler_sends_a_zip() {
    within(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let response = download::download().await.into_response();
            assert_eq!(response.headers()[CONTENT_TYPE], "application/zip");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let mut zip = zip::ZipArchive::new(Cursor::new(body)).unwrap();
            let mut text = String::new();
            zip.by_name("squares.csv").unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text.lines().count(), 1_000_000);
            assert_eq!(text.lines().last(), Some("999999,999998000001"));
        });
    });
}
