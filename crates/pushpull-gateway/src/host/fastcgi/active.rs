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
use crate::host::{CutReason, End, RequestBody};

/// A request that was begun and has not ended.
pub(super) struct Active<R> {
    pub(super) id: u16,
    /// `true` if the connection stays open after the request.
    pub(super) keep: bool,
    part: Part<R>,
    messages: Messages,
    has_said: bool,
}

enum Part<R> {
    /// The parameters are arriving.
    Params(Box<(Pairs, Params)>),
    Answering {
        exchange: Box<Exchange<R>>,
        body: Arriving,
    },
}

/// The result of polling a request.
pub(super) enum Step {
    /// Something was queued.
    Moved,
    Done,
    /// The response is truncated and must be visibly so.
    Cut,
}

impl<R> Active<R>
where
    R: Body<Data = Bytes> + 'static,
    R::Error: Into<Failure>,
{
    pub(super) fn new(id: u16, keep: bool, max_params: usize) -> Active<R> {
        let part = Part::Params(Box::new((Pairs::new(max_params), Params::default())));
        Active { id, keep, part, messages: Messages::default(), has_said: false }
    }

    pub(super) fn is_beginning(&self) -> bool {
        matches!(self.part, Part::Params(_))
    }

    /// Adds parameters. At their end, calls the service.
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
                let accept = &host.protocol.accept;
                (Exchange::begin(params, arrived, accept, service.clone(), error_log, host), body)
            }
            // The body of a refused request is discarded.
            Err(refusal) => (Exchange::refused(refusal, &params, error_log, host), arriving(Some(0)).0),
        };
        self.part = Part::Answering { exchange: Box::new(exchange), body };
    }

    /// Adds bytes to the body. No bytes mean its end.
    pub(super) fn stdin(&self, content: Bytes) -> io::Result<Taken> {
        match &self.part {
            Part::Answering { body, .. } if content.is_empty() => {
                body.end();
                Ok(Taken::Well)
            }
            Part::Answering { body, .. } => body.push(content),
            // Out of order: the bytes belong to no known body.
            Part::Params(_) if content.is_empty() => Ok(Taken::Well),
            Part::Params(_) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "a body arrived before the end of the parameters"))
            }
        }
    }

    /// Returns `true` if the body has ended.
    pub(super) fn has_all(&self) -> bool {
        matches!(&self.part, Part::Answering { body, .. } if body.is_ended())
    }

    /// Waits until there is room for more of the body.
    pub(super) fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        match &self.part {
            Part::Answering { body, .. } => body.poll_room(context),
            Part::Params(_) => Poll::Ready(()),
        }
    }

    /// Polls the response and queues what it returns.
    pub(super) fn poll(&mut self, queue: &mut Queue, context: &mut Context<'_>) -> Poll<Step> {
        let Part::Answering { exchange, .. } = &mut self.part else { return Poll::Pending };
        let polled = exchange.poll(context);
        // Messages written before the end are sent before the end.
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

    /// Sets how the request ends, unless it has ended by itself.
    pub(super) fn set_end(&mut self, end: End, reason: CutReason) {
        if let Part::Answering { exchange, .. } = &mut self.part {
            exchange.set_end(end, reason);
        }
    }

    /// Queues the end of the request.
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
