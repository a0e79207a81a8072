//! The body of a response: counted for the log, and cut only after everything before the cut has been sent.

use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use http::{Method, Response, Version};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::End;
use super::exchange::Answered;
use super::lent::{self, Content, Lent};
use crate::cgi::head::{content_length, has_no_body, set_no_length};

/// The time that queued data has to leave before an HTTP/2 reset discards it.
const FLUSH_TIME: Duration = Duration::from_millis(50);

/// The maximum size of a chunk handed over on HTTP/2, where the server cannot see how much the client has read. It
/// equals the default maximum frame size (RFC 9113, 6.5.2).
const PIECE: usize = 16 * 1024;

type Failure = Box<dyn Error + Send + Sync>;

pin_project! {
    /// A service's body on its way to hyper.
    pub(super) struct ResponseBody<B> {
        // `None` for a response without content.
        #[pin]
        body: Option<B>,
        // The file in the place of the body (HTTP/1).
        file: Option<Box<Content>>,
        lent: Option<Rc<Lent>>,
        answered: Rc<Answered>,
        // The rest of the last chunk (HTTP/2).
        rest: Bytes,
        // The number of bytes still to come, if known. Hyper does not poll beyond it.
        left: Option<u64>,
        held: Option<Held>,
    }
}

/// An error that waits until the data before it has left.
struct Held {
    error: Failure,
    until: Until,
}

enum Until {
    /// Until a flush after the one with this number (HTTP/1): hyper discards what it has buffered when the body fails.
    Flush(u64),
    /// Until this time (HTTP/2): how much is queued cannot be seen.
    Time(Pin<Box<Sleep>>),
}

impl<B: Body<Data = Bytes> + 'static> ResponseBody<B> {
    /// Wraps the response's body and records its status.
    pub(super) fn watch(
        mut response: Response<Option<B>>,
        answered: Rc<Answered>,
        lent: Option<Rc<Lent>>,
    ) -> Response<ResponseBody<B>> {
        let status = response.status();
        answered.set_status(status);
        if has_no_body(status) {
            *response.body_mut() = None;
            set_no_length(status, response.headers_mut());
        }
        let body = response.body().as_ref().filter(|body| !body.is_end_stream());
        let has_none = answered.method == Method::HEAD || body.is_none();
        let said = response.headers().get(CONTENT_LENGTH).and_then(|value| content_length(value.as_bytes()));
        let left = said.or_else(|| body.and_then(|body| body.size_hint().exact()));
        if has_none {
            answered.set_end(End::Done);
        } else if left.is_none() && answered.version < Version::HTTP_11 {
            answered.traffic.is_close_delimited.set(true);
            // Without this field the client takes the body for empty (RFC 9112, 9.3). For a response of a later version
            // hyper adds that the connection is kept alive.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            *response.version_mut() = Version::HTTP_10;
        } else {
            answered.waits(true);
        }
        response.map(|mut body| {
            let is_lent = lent.is_some() && answered.version != Version::HTTP_2 && !has_none;
            let file = body.as_mut().filter(|_| is_lent).and_then(lent::take_file);
            ResponseBody { body, file, lent, answered, rest: Bytes::new(), left, held: None }
        })
    }
}

impl Held {
    fn poll(&mut self, answered: &Answered, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.until {
            Until::Flush(before) => answered.traffic.poll_flushed(*before, context.waker()),
            Until::Time(time) => time.as_mut().poll(context),
        }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Failure>,
{
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let mut this = self.project();
        let answered: &Rc<Answered> = this.answered;
        answered.waits(false);
        let Some(mut body) = this.body.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        if this.held.is_none() {
            let next = match this.file {
                Some(file) => {
                    if let Some(blank) = this.lent.as_ref().and_then(|lent| lent.lend(file, answered)) {
                        return Poll::Ready(Some(Ok(Frame::data(blank))));
                    }
                    ready!(file.poll_frame(context)).map(|read| read.map_err(Failure::from))
                }
                None if this.rest.is_empty() => {
                    ready!(body.as_mut().poll_frame(context)).map(|next| next.map_err(Into::into))
                }
                None => Some(Ok(Frame::data(std::mem::take(this.rest)))),
            };
            match next {
                Some(Ok(mut frame)) => {
                    if answered.version == Version::HTTP_2
                        && let Some(data) = frame.data_mut().filter(|data| data.len() > PIECE)
                    {
                        *this.rest = data.split_off(PIECE);
                    }
                    let len = frame.data_ref().map_or(0, Bytes::len);
                    answered.count(len);
                    if let Some(left) = this.left {
                        *left = left.saturating_sub(len as u64);
                    }
                    let is_last = this.file.as_ref().map_or_else(|| body.is_end_stream(), |file| file.is_end_stream());
                    if *this.left == Some(0) || this.rest.is_empty() && is_last {
                        answered.set_end(End::Done);
                    } else {
                        answered.waits(true);
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                None => {
                    answered.set_end(End::Done);
                    return Poll::Ready(None);
                }
                Some(Err(error)) => {
                    answered.set_end(End::Cut);
                    let until = match answered.version {
                        Version::HTTP_2 => Until::Time(Box::pin(sleep(FLUSH_TIME))),
                        _ => Until::Flush(answered.traffic.flushes()),
                    };
                    *this.held = Some(Held { error, until });
                }
            }
        }
        match this.held {
            Some(held) => ready!(held.poll(answered, context)),
            None => return Poll::Pending,
        }
        Poll::Ready(this.held.take().map(|held| Err(held.error)))
    }

    fn is_end_stream(&self) -> bool {
        if let Some(file) = &self.file {
            return self.held.is_none() && file.is_end_stream();
        }
        self.held.is_none() && self.rest.is_empty() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        if let Some(file) = &self.file {
            return file.size_hint();
        }
        let Some(body) = &self.body else { return SizeHint::with_exact(0) };
        let (hint, rest) = (body.size_hint(), self.rest.len() as u64);
        if rest == 0 {
            return hint;
        }
        let mut with_rest = SizeHint::new();
        with_rest.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            with_rest.set_upper(upper + rest);
        }
        with_rest
    }
}
