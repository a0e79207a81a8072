//! The body of a response, as the server pulls it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Frame, SizeHint};
use pushpull::Chunks;
use tokio::time::{Instant, Sleep, sleep};

use super::job::Failed;
use super::service::Exchange;

/// A whole body, or one that an application writes.
pub(super) enum Body {
    Whole(Bytes),
    Streamed(Box<Streamed>),
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Body::Whole(text.into())
    }
}

pub(super) struct Streamed {
    chunks: Chunks,
    failed: Arc<Failed>,
    /// How many bytes are still to come, if the head says so.
    left: Option<u64>,
    exchange: Exchange,
    idle: Pin<Box<Sleep>>,
    idle_time: Duration,
    is_waiting: bool,
    state: State,
}

enum State {
    Open,
    /// An error waits for one poll, so that the server sends everything before it.
    Held(io::Error),
    Over,
}

impl Streamed {
    pub(super) fn new(chunks: Chunks, failed: Arc<Failed>, left: Option<u64>, exchange: Exchange) -> Streamed {
        let idle_time = exchange.idle_time();
        let idle = Box::pin(sleep(idle_time));
        Streamed { chunks, failed, left, exchange, idle, idle_time, is_waiting: false, state: State::Open }
    }

    /// Drops what the application writes, as far as it goes: a body that is not sent.
    pub(super) async fn drain(mut self, max: u64, time: Duration) {
        let mut left = max;
        let drained = std::future::poll_fn(|context| {
            loop {
                match self.poll_chunk(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(chunk))) if left > chunk.len() as u64 => left -= chunk.len() as u64,
                    Poll::Ready(_) => return Poll::Ready(()),
                }
            }
        });
        let _ = tokio::time::timeout(time, drained).await;
    }

    /// Returns the next chunk, no longer than the head allows.
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(late) = self.exchange.poll(context) {
            return Poll::Ready(Some(Err(self.exchange.failure(&late))));
        }
        let Poll::Ready(next) = Pin::new(&mut self.chunks).poll_next(context) else {
            return self.poll_idle(context);
        };
        self.is_waiting = false;
        let mut chunk = match next {
            Some(Ok(chunk)) => chunk,
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => return Poll::Ready(self.end().map(Err)),
        };
        if let Some(left) = &mut self.left {
            let len = usize::try_from(*left).map_or(chunk.len(), |left| chunk.len().min(left));
            *left -= len as u64;
            if chunk.len() > len {
                self.exchange.tell(&"the application wrote more bytes than its Content-Length");
                chunk.truncate(len);
            }
        }
        Poll::Ready(Some(Ok(chunk)))
    }

    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if !self.is_waiting {
            self.is_waiting = true;
            self.idle.as_mut().reset(Instant::now() + self.idle_time);
        }
        if self.idle.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        let what = format!("the application wrote nothing for {} s", self.idle_time.as_secs_f64());
        Poll::Ready(Some(Err(self.exchange.failure(&what))))
    }

    /// Returns what is wrong with the end.
    fn end(&mut self) -> Option<io::Error> {
        match self.left {
            // Its failure has been told.
            _ if self.failed.get() && self.left != Some(0) => Some(io::Error::other("the application failed")),
            Some(left @ 1..) => {
                let what = format!("the application wrote {left} bytes fewer than its Content-Length");
                Some(self.exchange.failure(&what))
            }
            _ => None,
        }
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Held(error) => return Poll::Ready(Some(Err(error))),
            State::Over => return Poll::Ready(None),
            State::Open => {}
        }
        // Complete by its length: what the application still does is its own affair.
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        match self.poll_chunk(context) {
            Poll::Pending => {
                self.state = State::Open;
                Poll::Pending
            }
            Poll::Ready(Some(Ok(chunk))) => {
                self.state = State::Open;
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Poll::Ready(Some(Err(error))) => {
                self.state = State::Held(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => Poll::Ready(None),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Body::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Body::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Body::Streamed(streamed) => streamed.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Whole(bytes) => bytes.is_empty(),
            Body::Streamed(streamed) => streamed.left == Some(0) || matches!(streamed.state, State::Over),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Streamed(streamed) => streamed.left.map_or_else(SizeHint::new, SizeHint::with_exact),
        }
    }
}
