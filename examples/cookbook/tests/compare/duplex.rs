//! `tokio::io::duplex` and `SyncIoBridge`.

use std::io::{self, Write};

use axum::body::Body;
use tokio_util::io::{ReaderStream, SyncIoBridge};

pub fn body(program: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static) -> Body {
    let (reader, writer) = tokio::io::duplex(256 * 1024);
    tokio::task::spawn_blocking(move || {
        let mut w = SyncIoBridge::new(writer);
        program(&mut w)
    });
    Body::from_stream(ReaderStream::new(reader))
}
