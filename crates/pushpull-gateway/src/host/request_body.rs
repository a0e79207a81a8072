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

use super::responder::Arrived;
use crate::cgi::refusal::Refusal;

/// The body of a request, as a server hands it to a service, whichever protocol it speaks. It is `Send`, so that a program
/// on another thread can read it.
///
/// A client that sends nothing for as long as the [limits](super::ClientLimits::timeout_idle) say is an error (408), and so is one
/// that breaks off, or sends what is no body, or less than it said (400). What of it is dropped unread is taken from the
/// client in the background, up to a bound, so that a client that reads only when it has sent everything does get its answer.
///
/// The default is a body without a byte.
#[derive(Default)]
pub struct RequestBody(Option<Arriving>);

struct Arriving {
    source: Source,
    idle: Duration,
    /// Runs while the client is waited for.
    time: Pin<Box<Sleep>>,
    is_waiting: bool,
}

/// What feeds it.
enum Source {
    /// `unread`: where the rest goes if nobody wants it. A client that waits to be asked for its body is not asked for
    /// nothing.
    Http { body: Incoming, unread: Option<UnboundedSender<Incoming>> },
    /// What a front server sends on.
    Front(Arrived),
}

impl RequestBody {
    pub(super) fn of_http(body: Incoming, idle: Duration, unread: Option<UnboundedSender<Incoming>>) -> RequestBody {
        RequestBody::new(Source::Http { body, unread }, idle)
    }

    pub(super) fn of_front(body: Arrived, idle: Duration) -> RequestBody {
        RequestBody::new(Source::Front(body), idle)
    }

    fn new(source: Source, idle: Duration) -> RequestBody {
        if source.is_end_stream() {
            return RequestBody::default();
        }
        // Made here: who polls it may run where there is no clock.
        RequestBody(Some(Arriving { source, idle, time: Box::pin(sleep(idle)), is_waiting: false }))
    }

    /// Nothing more comes, and nothing is left to be taken.
    fn end(&mut self) {
        self.0 = None;
    }
}

impl Source {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self {
            Source::Http { body, .. } => Pin::new(body).poll_frame(context).map_err(|error| broken(&error)),
            Source::Front(arrived) => arrived.poll_chunk(context).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Source::Http { body, .. } => body.is_end_stream(),
            Source::Front(arrived) => arrived.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Source::Http { body, .. } => body.size_hint(),
            Source::Front(arrived) => arrived.left().map_or_else(SizeHint::new, SizeHint::with_exact),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        let Some(arriving) = &mut this.0 else { return Poll::Ready(None) };
        match arriving.source.poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                arriving.is_waiting = false;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(ended) => {
                this.end();
                Poll::Ready(ended)
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
        self.0.as_ref().is_none_or(|arriving| arriving.source.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), |arriving| arriving.source.size_hint())
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
        if let Some(Arriving { source: Source::Http { body, unread: Some(unread) }, .. }) = self.0.take()
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
