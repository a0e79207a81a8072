//! An error that is delayed by one poll.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;

/// The error of a body, delayed by one poll. hyper then sends everything before the error. Without the delay hyper
/// drops what it has buffered, even the head.
#[derive(Debug, Default)]
pub(crate) struct Delayed(Option<io::Error>);

pub(crate) type Polled = Poll<Option<Result<Frame<Bytes>, io::Error>>>;

impl Delayed {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        next: impl FnOnce(&mut Context<'_>) -> Poll<Option<io::Result<Bytes>>>,
    ) -> Polled {
        if let Some(error) = self.0.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(next(context)) {
            Some(Ok(chunk)) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            None => Poll::Ready(None),
            Some(Err(error)) => {
                self.0 = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}
