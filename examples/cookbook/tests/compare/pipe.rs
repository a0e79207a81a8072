//! A pipe of the operating system, and a thread.

use std::io::{self, Write};
use std::thread;

use axum::body::Body;
use tokio::net::unix::pipe::Receiver;
use tokio_util::io::ReaderStream;

pub fn body(program: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static) -> io::Result<Body> {
    let (reader, mut writer) = std::io::pipe()?;
    thread::spawn(move || program(&mut writer));
    Ok(Body::from_stream(ReaderStream::new(Receiver::from_owned_fd(reader.into())?)))
}
