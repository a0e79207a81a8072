//! One connection, which is one request.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_service::Service;

use super::head::{BadHead, head};
use super::server::Scgi;
use crate::cgi::refusal::Refusal;
use crate::host::protocol::Failure;
use crate::host::responder::{Arriving, Exchange, Link, MAX_QUEUED, Outcome, PIECE, Params, Piece, Wire, arriving};
use crate::host::{CutReason, End, RequestBody};

type Host = crate::host::server::Host<Scgi>;

/// The one request of a connection.
pub(super) struct OneRequest<S, R> {
    wire: Wire,
    host: Rc<Host>,
    service: S,
    part: Part<R>,
    /// How the response ended. Its last bytes may still wait to be sent.
    end: Option<End>,
    /// `true` once the server is shutting down.
    is_closing: bool,
}

enum Part<R> {
    /// The bytes of the head that have arrived.
    Head(BytesMut),
    /// `missing` is the number of body bytes still to arrive.
    Answering { exchange: Box<Exchange<R>>, body: Arriving, missing: u64 },
}

impl<S, R> OneRequest<S, R> {
    pub(super) fn new(wire: Wire, service: S, host: Rc<Host>) -> OneRequest<S, R> {
        OneRequest { wire, host, service, part: Part::Head(BytesMut::new()), end: None, is_closing: false }
    }

    /// Returns `true` if nothing of a request has arrived.
    fn is_untouched(&self) -> bool {
        matches!(&self.part, Part::Head(seen) if seen.is_empty())
    }
}

impl<S, R> Link for OneRequest<S, R>
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
    S::Error: Into<Failure>,
    R: Body<Data = Bytes> + 'static,
    R::Error: Into<Failure>,
{
    fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    fn read(&mut self, context: &mut Context<'_>) -> Result<bool, Outcome> {
        match &mut self.part {
            Part::Head(seen) => {
                seen.reserve(PIECE);
                match self.wire.stream.poll_read(context, seen, PIECE) {
                    Poll::Pending => return Ok(false),
                    Poll::Ready(Ok(1..)) => {
                        self.wire.watch.begun(Some(0));
                        self.begin();
                    }
                    Poll::Ready(_) if self.is_untouched() => return Err(Outcome::Gone),
                    Poll::Ready(_) => {
                        return Err(Outcome::Failed("the connection ended within the head of a request".to_owned()));
                    }
                }
            }
            Part::Answering { body, missing: missing @ 1.., .. } if body.poll_room(context).is_ready() => {
                let mut chunk = BytesMut::with_capacity(PIECE);
                match self.wire.stream.poll_read(context, &mut chunk, PIECE) {
                    Poll::Pending => return Ok(false),
                    Poll::Ready(Ok(1..)) => {
                        *missing = missing.saturating_sub(chunk.len() as u64);
                        if body.push(chunk.freeze()).is_err() {
                            return Err(Outcome::Cut);
                        }
                    }
                    Poll::Ready(_) => return Err(Outcome::Gone),
                }
            }
            Part::Answering { .. } => return self.wire.wait(context),
        }
        Ok(true)
    }

    fn answer(&mut self, context: &mut Context<'_>) -> bool {
        let Part::Answering { exchange, .. } = &mut self.part else { return false };
        let mut moved = false;
        while self.end.is_none() && self.wire.queue.len() < MAX_QUEUED {
            match exchange.poll(context) {
                Poll::Pending => break,
                Poll::Ready(Piece::Bytes(bytes)) => self.wire.queue.put_bytes(bytes),
                Poll::Ready(Piece::End) => self.end = Some(End::Done),
                Poll::Ready(Piece::Cut) => self.end = Some(End::Cut),
            }
            moved = true;
        }
        moved
    }

    fn has_begun(&self) -> bool {
        !self.is_untouched()
    }

    fn close(&mut self) {
        self.is_closing = true;
    }

    fn is_over(&self) -> Option<Outcome> {
        match self.end {
            Some(End::Done) => Some(Outcome::Over),
            Some(_) => Some(Outcome::Cut),
            None => (self.is_closing && self.is_untouched()).then_some(Outcome::Over),
        }
    }

    fn end(&mut self, end: End, reason: CutReason) -> bool {
        let Part::Answering { exchange, .. } = &mut self.part else { return false };
        if self.end.is_none() {
            exchange.set_end(end, reason);
        }
        true
    }
}

impl<S, R> OneRequest<S, R>
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
    S::Error: Into<Failure>,
    R: Body<Data = Bytes> + 'static,
    R::Error: Into<Failure>,
{
    /// Calls the service, if the head is complete.
    fn begin(&mut self) {
        let Part::Head(seen) = &mut self.part else { return };
        let mut params = Params::default();
        let accept = &self.host.protocol.accept;
        let taken = match head(seen) {
            Ok(None) => return,
            Ok(Some(head)) => {
                let taken = head.pairs.iter().try_for_each(|(name, value)| params.add(name, value, accept));
                taken.map(|()| (head.length, head.body))
            }
            Err(BadHead::TooLong) => {
                Err(Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, BadHead::TooLong.to_string()))
            }
            Err(bad) => Err(Refusal::bad_request(&bad.to_string())),
        };
        self.wire.watch.begun(None);
        let error_log = self.host.error_log.clone();
        let (exchange, body, missing) = match taken {
            Ok((head_length, length)) => {
                let (body, arrived) = arriving(Some(length));
                let first = seen.split_off(head_length);
                let missing = length.saturating_sub(first.len() as u64);
                // The first bytes of the body always fit into memory.
                let _ = body.push(first.freeze());
                let arrived = RequestBody::of_front(arrived, self.host.limits.get_timeout_idle());
                (Exchange::begin(params, arrived, accept, self.service.clone(), error_log, &self.host), body, missing)
            }
            Err(refusal) => (Exchange::refused(refusal, &params, error_log, &self.host), arriving(Some(0)).0, 0),
        };
        self.part = Part::Answering { exchange: Box::new(exchange), body, missing };
    }
}
