//! A response body that counts the bytes of a program.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use pushpull::local;

use super::progress::Download;

pub struct Reply {
    body: local::Body,
    /// The length of the body, if it is known.
    size: Option<u64>,
    download: Option<Arc<Download>>,
}

impl Reply {
    pub fn page(chunks: local::Chunks) -> Reply {
        Reply { body: chunks.into_body(), size: None, download: None }
    }

    pub fn download(chunks: local::Chunks, size: Option<u64>, download: Option<Arc<Download>>) -> Reply {
        Reply { body: chunks.into_body(), size, download }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(download) = &self.download {
            download.asked();
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let Some(download) = &self.download else { return Poll::Ready(frame) };
        match &frame {
            Some(Ok(frame)) => {
                download.count(frame.data_ref().map_or(0, Bytes::len));
                // A server that knows the length does not poll for the end.
                if self.size == Some(download.bytes()) {
                    download.end("done");
                }
            }
            Some(Err(error)) => download.end(&format!("failed: {}:", error.to_string().escape_debug())),
            None => download.end("done"),
        }
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        match self.size {
            Some(size) => SizeHint::with_exact(size - self.download.as_ref().map_or(0, |download| download.bytes())),
            None => self.body.size_hint(),
        }
    }
}
