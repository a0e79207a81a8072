//! The data frames of an HTTP body.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};

/// Polls a body for its next bytes. Skips trailers.
pub(crate) fn poll_data<B>(mut body: Pin<&mut B>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    loop {
        match ready!(body.as_mut().poll_frame(context)) {
            Some(Ok(frame)) => {
                let Ok(mut data) = frame.into_data() else { continue };
                return Poll::Ready(Some(Ok(data.copy_to_bytes(data.remaining()))));
            }
            Some(Err(error)) => return Poll::Ready(Some(Err(as_io(error.into())))),
            None => return Poll::Ready(None),
        }
    }
}

/// Returns the error of a body as an `io::Error`.
pub(crate) fn as_io(error: Box<dyn Error + Send + Sync>) -> io::Error {
    match error.downcast::<io::Error>() {
        Ok(error) => *error,
        Err(error) => io::Error::other(error),
    }
}
