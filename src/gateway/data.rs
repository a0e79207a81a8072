//! The bytes of a request's body, one poll at a time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::Body;

/// A body's next bytes. Trailers are passed over: no meta-variable stands for them.
pub(super) fn poll_data<B>(mut body: Pin<&mut B>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    loop {
        match body.as_mut().poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let Ok(mut data) = frame.into_data() else { continue };
                return Poll::Ready(Some(Ok(data.copy_to_bytes(data.remaining()))));
            }
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(as_io(error.into())))),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// The error of a body in this crate's terms.
pub(super) fn as_io(error: Box<dyn std::error::Error + Send + Sync>) -> io::Error {
    match error.downcast::<io::Error>() {
        Ok(error) => *error,
        Err(error) => io::Error::other(error),
    }
}
