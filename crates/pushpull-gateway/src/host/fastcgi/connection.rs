//! The requests of one connection.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::active::{Active, Step};
use super::server::FastCgi;
use crate::fastcgi::{
    Decoder, MAX_PARAMS, Pairs, ProtocolStatus, Record, Role, Stream as Records, end_request, get_values_result,
    unknown_type,
};
use crate::host::protocol::Failure;
use crate::host::responder::{Link, MAX_QUEUED, Outcome, PIECE, Taken, Wire};
use crate::host::{CutReason, End, RequestBody};

type Host = crate::host::server::Host<FastCgi>;

/// The maximum size of queued replies to management records, for a front server that asks but does not read.
const MAX_REPLIES: usize = 64 * 1024;

/// The maximum number of concurrent requests on a connection.
const MAX_REQUESTS: usize = 100;

/// The state of a connection.
pub(super) struct Requests<S, R> {
    wire: Wire,
    host: Rc<Host>,
    service: S,
    decoder: Decoder,
    /// Bytes that were read but do not make a record yet.
    buffer: BytesMut,
    /// An upper bound for the queued bytes that belong to no request.
    replies: usize,
    active: Vec<Active<R>>,
    has_begun: bool,
    /// `true` if the connection closes once nothing is left to do.
    is_closing: bool,
    /// `true` if that close has to show a truncation.
    is_cut: bool,
}

impl<S, R> Requests<S, R> {
    pub(super) fn new(wire: Wire, service: S, host: Rc<Host>) -> Requests<S, R> {
        Requests {
            wire,
            host,
            service,
            decoder: Decoder::new(),
            buffer: BytesMut::new(),
            replies: 0,
            active: Vec::new(),
            has_begun: false,
            is_closing: false,
            is_cut: false,
        }
    }
}

impl<S, R> Link for Requests<S, R>
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
        // A request without room stops the reading only if it is the only one.
        if let [only] = &self.active[..]
            && only.poll_room(context).is_pending()
        {
            return self.wire.wait(context);
        }
        self.buffer.reserve(PIECE);
        match self.wire.stream.poll_read(context, &mut self.buffer, PIECE) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(0)) => {
                return Err(match self.decoder.finish(&self.buffer) {
                    Err(malformed) if self.active.is_empty() => Outcome::Failed(malformed.to_string()),
                    _ => Outcome::Gone,
                });
            }
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(_)) => return Err(Outcome::Gone),
        }
        let broken = |error: io::Error| Outcome::Failed(format!("invalid FastCGI: {error}"));
        while let Some(record) = self.decoder.decode(&mut self.buffer).map_err(|error| broken(error.into()))? {
            self.take(record).map_err(broken)?;
        }
        self.wire.stream.leave_last(self.active.iter().all(Active::has_all));
        if self.replies > MAX_REPLIES {
            return Err(Outcome::Failed(
                "the front server sends management records but does not read the replies".to_owned(),
            ));
        }
        let is_within = self.decoder.finish(&self.buffer).is_err() && self.active.is_empty();
        let coming = self.active.iter().find(|active| active.is_beginning()).map(|active| active.id);
        self.wire.watch.begun(coming.or(is_within.then_some(0)));
        Ok(true)
    }

    /// Polls the requests in turn.
    fn answer(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        let mut place = 0;
        while place < self.active.len() {
            if self.wire.queue.len() >= MAX_QUEUED {
                break;
            }
            match self.active[place].poll(&mut self.wire.queue, context) {
                Poll::Pending => {
                    place += 1;
                    continue;
                }
                Poll::Ready(Step::Moved) if self.active.len() > 1 => place += 1,
                Poll::Ready(Step::Moved) => {}
                Poll::Ready(Step::Done) => self.end_one(place, 0, ProtocolStatus::RequestComplete),
                Poll::Ready(Step::Cut) if self.active.len() > 1 => self.end_one(place, 1, ProtocolStatus::Overloaded),
                Poll::Ready(Step::Cut) => {
                    // The close shows the truncation. Until then the request id must not be reused.
                    self.active.remove(place);
                    (self.is_closing, self.is_cut) = (true, true);
                }
            }
            moved = true;
        }
        if place > 0 && place < self.active.len() {
            self.active.rotate_left(place);
        }
        moved
    }

    fn sent(&mut self) {
        self.replies = 0;
    }

    fn has_begun(&self) -> bool {
        self.has_begun
    }

    fn close(&mut self) {
        self.is_closing = true;
    }

    fn is_over(&self) -> Option<Outcome> {
        let is_over = self.is_closing && self.active.is_empty();
        is_over.then_some(if self.is_cut { Outcome::Cut } else { Outcome::Over })
    }

    fn end(&mut self, end: End, reason: CutReason) -> bool {
        self.active.iter_mut().for_each(|active| active.set_end(end, reason));
        !self.active.is_empty()
    }
}

impl<S, R> Requests<S, R>
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
    S::Error: Into<Failure>,
    R: Body<Data = Bytes> + 'static,
    R::Error: Into<Failure>,
{
    /// Handles a record.
    fn take(&mut self, record: Record) -> io::Result<()> {
        let place = |active: &[Active<R>], id: u16| active.iter().position(|active| active.id == id);
        match record {
            Record::Begin { id, role, keep } => return self.begin(id, role, keep),
            Record::Abort { id } => {
                if let Some(place) = place(&self.active, id) {
                    self.end_one(place, 0, ProtocolStatus::RequestComplete);
                }
            }
            Record::Stream { stream: Records::Params, id, content } => {
                if let Some(place) = place(&self.active, id) {
                    self.active[place].params(content, &self.service, &self.host);
                }
            }
            Record::Stream { stream: Records::Stdin, id, content } => {
                let Some(place) = place(&self.active, id) else { return Ok(()) };
                let trouble = match self.active[place].stdin(content) {
                    Ok(Taken::Well) => return Ok(()),
                    Ok(Taken::Overloaded) => "a request was ended: its unread body blocked other requests".to_owned(),
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(error),
                    Err(error) => format!("a request was ended: its unread body cannot be stored: {error}"),
                };
                self.host.say(&self.wire.stream, &trouble);
                self.active[place].set_end(End::Cut, CutReason::Service);
                self.end_one(place, 1, ProtocolStatus::Overloaded);
            }
            Record::GetValues(names) => {
                let values = self.values(names)?;
                self.reply(&values);
            }
            Record::Unknown { kind, id: 0 } => self.reply(&unknown_type(kind)),
            // A record of an unknown request, or one that is not for applications.
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, id: u16, role: u16, keep: bool) -> io::Result<()> {
        self.has_begun = true;
        if self.active.iter().any(|active| active.id == id) {
            let message = format!("request {id} was begun again before its end");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let refusal = if Role::try_from(role) != Ok(Role::Responder) {
            ProtocolStatus::UnknownRole
        } else if !self.host.protocol.multiplexes && !self.active.is_empty() {
            ProtocolStatus::CantMpxConn
        } else if self.active.len() >= MAX_REQUESTS || self.is_closing {
            ProtocolStatus::Overloaded
        } else {
            if keep {
                // Front servers that keep connections do not take an early close for the end of a response.
                self.wire.stream.take_at_once();
            }
            self.active.push(Active::new(id, keep, self.host.protocol.max_params));
            return Ok(());
        };
        self.host.say(&self.wire.stream, &format!("a request was refused: {refusal:?}"));
        self.is_closing |= !keep;
        self.reply(&end_request(id, 0, refusal));
        Ok(())
    }

    /// Returns the values of the variables that a front server may query (4.1).
    fn values(&self, names: Bytes) -> io::Result<Vec<u8>> {
        let multiplexes = self.host.protocol.multiplexes;
        let connections = self.host.limits.get_max_connections();
        let requests = if multiplexes { connections.saturating_mul(MAX_REQUESTS) } else { connections };
        let known = [
            (&b"FCGI_MAX_CONNS"[..], connections.to_string()),
            (b"FCGI_MAX_REQS", requests.to_string()),
            (b"FCGI_MPXS_CONNS", u8::from(multiplexes).to_string()),
        ];
        let mut asked = [false; 3];
        let mut pairs = Pairs::new(MAX_PARAMS);
        pairs.push(names)?;
        while let Some((name, _)) = pairs.next()? {
            known.iter().zip(&mut asked).for_each(|((known, _), asked)| *asked |= *known == name);
        }
        pairs.finish()?;
        let answers = known.iter().zip(asked).filter(|(_, asked)| *asked);
        Ok(get_values_result(answers.map(|((name, value), _)| (*name, value.as_bytes()))))
    }

    fn reply(&mut self, record: &[u8]) {
        self.replies += record.len();
        self.wire.queue.put_slice(record);
    }

    fn end_one(&mut self, place: usize, app_status: u32, status: ProtocolStatus) {
        let active = self.active.remove(place);
        active.end(&mut self.wire.queue, app_status, status);
        self.is_closing |= !active.keep;
    }
}
