//! The body of a request.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, Sleep, sleep};

use crate::gateway::Refusal;

/// The body of a request, as the server hands it to a service. It is `Send`, so that a program on another thread can read
/// it.
///
/// A client that sends nothing for as long as the [limits](super::Limits::body_idle) say is an error (408), and so is one
/// that breaks off or sends what is no body (400). What of it is dropped unread is taken from the client in the
/// background, up to a bound, so that a client that reads only when it has sent everything does get its answer.
///
/// The default is a body without a byte.
#[derive(Default)]
pub struct RequestBody(Option<Arriving>);

struct Arriving {
    body: Incoming,
    idle: Duration,
    /// Runs while the client is waited for.
    time: Pin<Box<Sleep>>,
    is_waiting: bool,
    /// Where the rest goes if nobody wants it. A client that waits to be asked for its body is not asked for nothing.
    unread: Option<UnboundedSender<Incoming>>,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, idle: Duration, unread: Option<UnboundedSender<Incoming>>) -> RequestBody {
        if body.is_end_stream() {
            return RequestBody::default();
        }
        RequestBody(Some(Arriving { body, idle, time: Box::pin(sleep(idle)), is_waiting: false, unread }))
    }

    /// Nothing more comes, and nothing is left to be taken.
    fn end(&mut self) {
        if let Some(mut arriving) = self.0.take() {
            arriving.unread = None;
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        let Some(arriving) = &mut this.0 else { return Poll::Ready(None) };
        match Pin::new(&mut arriving.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                arriving.is_waiting = false;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.end();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                this.end();
                Poll::Ready(Some(Err(broken(&error))))
            }
            Poll::Pending => {
                if !arriving.is_waiting {
                    arriving.is_waiting = true;
                    arriving.time.as_mut().reset(Instant::now() + arriving.idle);
                }
                if arriving.time.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                this.end();
                let late = Refusal::new(StatusCode::REQUEST_TIMEOUT, "the request's body did not come");
                Poll::Ready(Some(Err(late.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|arriving| arriving.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), |arriving| arriving.body.size_hint())
    }
}

/// What is wrong with a body, so that the client is told that it is the client's doing.
fn broken(error: &hyper::Error) -> io::Error {
    let reason = match error.source() {
        Some(source) => format!("the request's body is broken: {source}"),
        None => format!("the request's body is broken: {error}"),
    };
    Refusal::bad_request(&reason).into()
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(Arriving { body, unread: Some(unread), .. }) = self.0.take()
            && !body.is_end_stream()
        {
            // Unless the connection is over.
            let _ = unread.send(body);
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("size_hint", &self.size_hint()).finish_non_exhaustive()
    }
}
