//! One connection, which is one request.

use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_service::Service;

use super::head::{BadHead, head};
use super::server::Scgi;
use crate::cgi::refusal::Refusal;
use crate::fastcgi::{MAX_SLICES, Queue};
use crate::host::protocol::Failure;
use crate::host::responder::{Arriving, Exchange, Overdue, Params, Piece, Watch, arriving};
use crate::host::server::either;
use crate::host::shutdown::Stage;
use crate::host::stream::{LAST_TIME, Stream, UNREAD_TIME};
use crate::host::{End, RequestBody};

type Host = crate::host::server::Host<Scgi>;

/// How much is read at once.
const PIECE: usize = 64 * 1024;

/// How much may wait to be sent before the response is no longer asked for more.
const MAX_QUEUED: usize = 128 * 1024;

/// How often something is moved before others have their turn.
const TURNS: usize = 64;

enum Outcome {
    Over,
    /// The response is not whole, and only a reset can tell.
    Cut,
    Gone,
    Overdue(Overdue),
    Stopped,
}

/// Serves a connection and closes it.
pub(super) async fn serve<S, R>(stream: Stream, service: S, host: Rc<Host>)
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
    S::Error: Into<Failure>,
    R: Body<Data = Bytes> + 'static,
    R::Error: Into<Failure>,
{
    stream.set_nodelay();
    // A close is taken for the end by some front servers. Unless it was agreed upon, it is not to look like one.
    stream.set_zero_linger();
    let stream = Rc::new(stream);
    let mut link = Link {
        watch: Watch::new(&host.limits, stream.clone()),
        stream: stream.clone(),
        service,
        part: Part::Head(BytesMut::new()),
        queue: Queue::new(),
        end: None,
        gone: None,
        host: host.clone(),
    };
    let mut closing = pin!(host.shutdown.reached(Stage::Closing));
    let mut cutting = pin!(host.shutdown.reached(Stage::Cut));
    let mut stops = false;
    let outcome = poll_fn(|context| {
        if cutting.as_mut().poll(context).is_ready() {
            return Poll::Ready(Outcome::Stopped);
        }
        if let Poll::Ready(outcome) = link.poll(context) {
            return Poll::Ready(outcome);
        }
        stops = stops || closing.as_mut().poll(context).is_ready();
        if stops && matches!(&link.part, Part::Head(seen) if seen.is_empty()) {
            return Poll::Ready(Outcome::Over);
        }
        link.watch.poll(context).map(Outcome::Overdue)
    })
    .await;
    let has_begun = matches!(link.part, Part::Answering { .. });
    if let Part::Answering { exchange, .. } = &mut link.part
        && link.end.is_none()
    {
        exchange.set_end(if matches!(outcome, Outcome::Gone) { End::Gone } else { End::Cut });
    }
    drop(link);
    let Some(stream) = Rc::into_inner(stream) else { return };
    match outcome {
        Outcome::Gone => {}
        Outcome::Over => either(stream.linger(), host.shutdown.reached(Stage::Cut)).await,
        Outcome::Cut => stream.reset(UNREAD_TIME).await,
        Outcome::Stopped if has_begun => stream.reset(LAST_TIME).await,
        Outcome::Stopped => {}
        Outcome::Overdue(Overdue::Head) => host.say(&stream, "a request that was begun did not come in time"),
        Outcome::Overdue(Overdue::Stalled) => {
            host.say(&stream, "the front server takes nothing of a response");
            stream.set_zero_linger();
        }
    }
}

struct Link<S, R> {
    stream: Rc<Stream>,
    host: Rc<Host>,
    service: S,
    part: Part<R>,
    queue: Queue,
    /// How the response ended; what waits may still have to be sent.
    end: Option<End>,
    /// Sees the front server go while nothing is read.
    gone: Option<Pin<Box<dyn Future<Output = ()>>>>,
    watch: Watch,
}

enum Part<R> {
    /// As far as it has come.
    Head(BytesMut),
    /// `missing`: how much of the body has not come.
    Answering { exchange: Box<Exchange<R>>, body: Arriving, missing: u64 },
}

impl<S, R> Link<S, R>
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
    S::Error: Into<Failure>,
    R: Body<Data = Bytes> + 'static,
    R::Error: Into<Failure>,
{
    /// Moves what can be moved.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Outcome> {
        for _ in 0..TURNS {
            match self.turn(context) {
                Err(outcome) => return Poll::Ready(outcome),
                Ok(_) if self.queue.is_empty() && self.end == Some(End::Done) => return Poll::Ready(Outcome::Over),
                Ok(_) if self.queue.is_empty() && self.end.is_some() => return Poll::Ready(Outcome::Cut),
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads, answers and writes, in this order, so that a short answer is one write. Says whether anything was moved.
    fn turn(&mut self, context: &mut Context<'_>) -> Result<bool, Outcome> {
        let read = self.read(context)?;
        let answered = self.answer(context);
        let written = self.write(context)?;
        self.watch.held(!self.queue.is_empty(), written);
        Ok(read || answered || written)
    }

    fn read(&mut self, context: &mut Context<'_>) -> Result<bool, Outcome> {
        match &mut self.part {
            Part::Head(seen) => {
                seen.reserve(PIECE);
                match self.stream.poll_read(context, seen, PIECE) {
                    Poll::Pending => return Ok(false),
                    Poll::Ready(Ok(1..)) => {
                        self.watch.begun(Some(0));
                        self.begin();
                    }
                    Poll::Ready(_) => return Err(self.ended()),
                }
            }
            Part::Answering { body, missing: missing @ 1.., .. } if body.poll_room(context).is_ready() => {
                let mut chunk = BytesMut::with_capacity(PIECE);
                match self.stream.poll_read(context, &mut chunk, PIECE) {
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
            Part::Answering { .. } => {
                let stream = self.stream.clone();
                let gone = self.gone.get_or_insert_with(|| Box::pin(async move { stream.gone().await }));
                return if gone.as_mut().poll(context).is_ready() { Err(Outcome::Gone) } else { Ok(false) };
            }
        }
        Ok(true)
    }

    /// The connection has ended before there was a request.
    fn ended(&self) -> Outcome {
        if !matches!(&self.part, Part::Head(seen) if seen.is_empty()) {
            self.host.say(&self.stream, "the connection ended within the head of a request");
        }
        Outcome::Gone
    }

    /// Asks the service, if the head is whole.
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
        self.watch.begun(None);
        let (error_log, told) = (self.host.error_log.clone(), self.host.told.clone());
        let (exchange, body, missing) = match taken {
            Ok((head_length, length)) => {
                let (body, arrived) = arriving(Some(length));
                let first = seen.split_off(head_length);
                let missing = length.saturating_sub(first.len() as u64);
                // In memory there is room for the first piece.
                let _ = body.push(first.freeze());
                let arrived = RequestBody::of_front(arrived, self.host.limits.get_timeout_idle());
                (Exchange::begin(params, arrived, accept, self.service.clone(), error_log, told), body, missing)
            }
            Err(refusal) => (Exchange::refused(refusal, &params, error_log, told), arriving(Some(0)).0, 0),
        };
        self.part = Part::Answering { exchange: Box::new(exchange), body, missing };
    }

    /// Asks for what comes next of the answer.
    fn answer(&mut self, context: &mut Context<'_>) -> bool {
        let Part::Answering { exchange, .. } = &mut self.part else { return false };
        let mut moved = false;
        while self.end.is_none() && self.queue.len() < MAX_QUEUED {
            match exchange.poll(context) {
                Poll::Pending => break,
                Poll::Ready(Piece::Bytes(bytes)) => self.queue.put_bytes(bytes),
                Poll::Ready(Piece::End) => self.end = Some(End::Done),
                Poll::Ready(Piece::Cut) => self.end = Some(End::Cut),
            }
            moved = true;
        }
        moved
    }

    fn write(&mut self, context: &mut Context<'_>) -> Result<bool, Outcome> {
        let mut moved = false;
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = self.queue.slices(&mut slices);
            match self.stream.poll_write(context, &slices[..count]) {
                Poll::Pending => break,
                Poll::Ready(Ok(written)) => {
                    self.queue.advance(written);
                    moved = true;
                }
                Poll::Ready(Err(_)) => return Err(Outcome::Gone),
            }
        }
        Ok(moved)
    }
}
