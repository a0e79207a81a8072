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

/// The body of a request, as a server of any protocol hands it to a service. It is `Send`, so a program on another
/// thread can read it.
///
/// If the client sends nothing for the time of [`timeout_idle`](super::ClientLimits::timeout_idle), reading returns an
/// error (408). If the client disconnects, or the body is malformed or shorter than declared, reading returns an error
/// (400). After a disconnect the error has the kind of the connection's error, such as `ConnectionReset`, or
/// `UnexpectedEof`.
///
/// If a body is dropped unread, the server reads and discards the rest in the background, up to a limit. A client that
/// sends its whole request before it reads still receives the response.
///
/// The default is an empty body.
#[derive(Default)]
pub struct RequestBody(Option<Arriving>);

struct Arriving {
    source: Source,
    idle: Duration,
    /// Runs while the body waits for the client.
    time: Pin<Box<Sleep>>,
    is_waiting: bool,
}

/// Where the bytes come from.
enum Source {
    /// `unread` takes the rest of a body that is dropped. It is `None` on HTTP/2, where an unread body does not hinder
    /// other requests, and if the client waits for `100 Continue`: an unwanted body is not asked for.
    Http { body: Incoming, unread: Option<UnboundedSender<Incoming>> },
    /// The part of a connection that a front server fills.
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
        // Create the timer here: the service may poll the body outside of a tokio runtime.
        RequestBody(Some(Arriving { source, idle, time: Box::pin(sleep(idle)), is_waiting: false }))
    }

    /// Ends the body: nothing more arrives, and nothing is left to discard.
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
                let late = Refusal::new(StatusCode::REQUEST_TIMEOUT, "the request's body did not arrive in time");
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

/// Returns the error for a broken body, which blames the client. Its kind is that of the connection's error, if the
/// client is gone.
fn broken(error: &hyper::Error) -> io::Error {
    let reason = match error.source() {
        Some(source) => format!("the request's body is broken: {source}"),
        None => format!("the request's body is broken: {error}"),
    };
    let refusal = Refusal::bad_request(&reason);
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(lost) => io::Error::new(lost.kind(), refusal),
        None if error.is_incomplete_message() => io::Error::new(io::ErrorKind::UnexpectedEof, refusal),
        None => refusal.into(),
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(Arriving { source: Source::Http { body, unread: Some(unread) }, .. }) = self.0.take()
            && !body.is_end_stream()
        {
            // Fails if the connection is closed already, which is fine.
            let _ = unread.send(body);
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("size_hint", &self.size_hint()).finish_non_exhaustive()
    }
}
