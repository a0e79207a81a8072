//! One request of a connection.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_service::Service;

use super::server::FastCgi;
use crate::cgi::refusal::Refusal;
use crate::fastcgi::{Malformed, Pairs, ProtocolStatus, Queue, Records, Stream, end_request};
use crate::host::protocol::Failure;
use crate::host::responder::{Arriving, Exchange, Messages, Params, Piece, Taken, arriving};
use crate::host::server::Host;
use crate::host::{End, RequestBody};

/// A request that was begun and not ended.
pub(super) struct Active<R> {
    pub(super) id: u16,
    /// The connection stays open after it.
    pub(super) keep: bool,
    part: Part<R>,
    messages: Messages,
    has_said: bool,
}

enum Part<R> {
    /// Its parameters are coming.
    Params(Box<(Pairs, Params)>),
    Answering {
        exchange: Box<Exchange<R>>,
        body: Arriving,
    },
}

/// What a request has come to.
pub(super) enum Step {
    /// It has put something into the queue.
    Moved,
    Done,
    /// It must not look whole.
    Cut,
}

impl<R> Active<R>
where
    R: Body<Data = Bytes> + 'static,
    R::Error: Into<Failure>,
{
    pub(super) fn new(id: u16, keep: bool, most_params: usize) -> Active<R> {
        let part = Part::Params(Box::new((Pairs::new(most_params), Params::default())));
        Active { id, keep, part, messages: Messages::default(), has_said: false }
    }

    pub(super) fn is_beginning(&self) -> bool {
        matches!(self.part, Part::Params(_))
    }

    /// Its parameters, up to their end; then the service is asked.
    pub(super) fn params<S>(&mut self, content: Bytes, service: &S, host: &Host<FastCgi>)
    where
        S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
        S::Error: Into<Failure>,
    {
        let Part::Params(coming) = &mut self.part else { return };
        let is_end = content.is_empty();
        let taken = take(coming, content, host);
        if taken.is_ok() && !is_end {
            return;
        }
        let params = std::mem::take(&mut coming.1);
        let begun = taken.and_then(|()| params.length());
        let error_log = self.messages.stream(host.error_log.clone());
        let (exchange, body) = match begun {
            Ok(length) => {
                let (body, arrived) = arriving(length);
                let arrived = RequestBody::of_front(arrived, host.limits.get_timeout_idle());
                let (accept, told) = (&host.protocol.accept, host.told.clone());
                (Exchange::begin(params, arrived, accept, service.clone(), error_log, told), body)
            }
            // Its body goes nowhere.
            Err(refusal) => {
                let told = host.told.clone();
                (Exchange::refused(refusal, &params, error_log, told), arriving(Some(0)).0)
            }
        };
        self.part = Part::Answering { exchange: Box::new(exchange), body };
    }

    /// The next bytes of its body; none are the end.
    pub(super) fn stdin(&self, content: Bytes) -> io::Result<Taken> {
        match &self.part {
            Part::Answering { body, .. } if content.is_empty() => {
                body.end();
                Ok(Taken::Well)
            }
            Part::Answering { body, .. } => body.push(content),
            // Out of order: it cannot be known what it belongs to.
            Part::Params(_) if content.is_empty() => Ok(Taken::Well),
            Part::Params(_) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "a body came before its parameters' end"))
            }
        }
    }

    /// Whether nothing more is to come of its body.
    pub(super) fn has_all(&self) -> bool {
        matches!(&self.part, Part::Answering { body, .. } if body.is_ended())
    }

    /// Ready when there is room for more of its body.
    pub(super) fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        match &self.part {
            Part::Answering { body, .. } => body.poll_room(context),
            Part::Params(_) => Poll::Ready(()),
        }
    }

    /// Puts what comes next of its answer into the queue.
    pub(super) fn poll(&mut self, queue: &mut Queue, context: &mut Context<'_>) -> Poll<Step> {
        let Part::Answering { exchange, .. } = &mut self.part else { return Poll::Pending };
        let polled = exchange.poll(context);
        // What it said before its end comes before that.
        let said = self.messages.take(context);
        let has_said = said.is_some();
        if let Some(said) = said {
            self.has_said = true;
            queue.put(Stream::Stderr, self.id, said);
        }
        match polled {
            Poll::Ready(Piece::Bytes(bytes)) => queue.put(Stream::Stdout, self.id, bytes),
            Poll::Ready(Piece::End) => return Poll::Ready(Step::Done),
            Poll::Ready(Piece::Cut) => return Poll::Ready(Step::Cut),
            Poll::Pending if !has_said => return Poll::Pending,
            Poll::Pending => {}
        }
        Poll::Ready(Step::Moved)
    }

    /// How it ends, unless it has done so by itself.
    pub(super) fn set_end(&mut self, end: End) {
        if let Part::Answering { exchange, .. } = &mut self.part {
            exchange.set_end(end);
        }
    }

    /// Puts its end into the queue.
    pub(super) fn end(&self, queue: &mut Queue, app_status: u32, status: ProtocolStatus) {
        if self.has_said {
            queue.put_slice(&Records::end(Stream::Stderr, self.id));
        }
        if status == ProtocolStatus::RequestComplete {
            queue.put_slice(&Records::end(Stream::Stdout, self.id));
        }
        queue.put_slice(&end_request(self.id, app_status, status));
    }
}

fn take((pairs, params): &mut (Pairs, Params), content: Bytes, host: &Host<FastCgi>) -> Result<(), Refusal> {
    let refused = |malformed: Malformed| match malformed {
        Malformed::TooLong { .. } => Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, malformed.to_string()),
        _ => Refusal::bad_request(&malformed.to_string()),
    };
    if content.is_empty() {
        return pairs.finish().map_err(refused);
    }
    pairs.push(content).map_err(refused)?;
    while let Some((name, value)) = pairs.next().map_err(refused)? {
        params.add(&name, &value, &host.protocol.accept)?;
    }
    Ok(())
}
