//! An upload into code that reads, by `StreamReader` and `SyncIoBridge`.

use std::io::{self, Read};

use axum::body::Body;
use futures_util::TryStreamExt;
use tokio_util::io::{StreamReader, SyncIoBridge};

pub async fn upload<T: Send + 'static>(
    body: Body,
    program: impl FnOnce(&mut dyn Read) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let reader = StreamReader::new(body.into_data_stream().map_err(io::Error::other));
    let parsing = tokio::task::spawn_blocking(move || program(&mut SyncIoBridge::new(Box::pin(reader))));
    parsing.await.map_err(io::Error::other)?
}
