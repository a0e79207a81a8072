//! One connection of a front server, from its first byte to its close, for either protocol.

use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use super::watch::{Overdue, Watch};
use crate::fastcgi::{MAX_SLICES, Queue};
use crate::host::server::{Host, either};
use crate::host::shutdown::Stage;
use crate::host::stream::{LAST_TIME, Stream, UNREAD_TIME};
use crate::host::{CutReason, End};

/// The number of bytes read at once.
pub(in crate::host) const PIECE: usize = 64 * 1024;

/// The number of queued bytes above which responses are no longer polled.
pub(in crate::host) const MAX_QUEUED: usize = 128 * 1024;

/// The number of turns before other tasks run.
const TURNS: usize = 64;

/// Why a connection ends.
pub(in crate::host) enum Outcome {
    /// As agreed: everything written has to arrive.
    Over,
    /// A response is truncated, and the close has to show it.
    Cut,
    Gone,
    Failed(String),
    Overdue(Overdue),
    Stopped,
}

/// The requests of a connection, in one protocol.
pub(in crate::host) trait Link {
    fn wire(&mut self) -> &mut Wire;

    /// Reads what has arrived. Returns `true` if there was progress.
    fn read(&mut self, context: &mut Context<'_>) -> Result<bool, Outcome>;

    /// Polls the responses and queues what they return. Returns `true` if there was progress.
    fn answer(&mut self, context: &mut Context<'_>) -> bool;

    /// Reacts to an empty queue: everything has been sent.
    fn sent(&mut self) {}

    /// Returns `true` if a request has begun.
    fn has_begun(&self) -> bool;

    /// Stops accepting new requests: the server is shutting down.
    fn close(&mut self);

    /// Returns how the connection ends, if all requests have ended. The caller checks that the queue is empty.
    fn is_over(&self) -> Option<Outcome>;

    /// Ends the running requests. Returns `true` if there were any.
    fn end(&mut self, end: End, reason: CutReason) -> bool;
}

/// The byte streams of a connection, in both directions.
pub(in crate::host) struct Wire {
    pub(in crate::host) stream: Rc<Stream>,
    /// The bytes that wait to be sent.
    pub(in crate::host) queue: Queue,
    pub(in crate::host) watch: Watch,
    /// Detects the front server's disconnect while nothing is read.
    gone: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Wire {
    /// Watches for the front server's disconnect instead of reading.
    pub(in crate::host) fn wait(&mut self, context: &mut Context<'_>) -> Result<bool, Outcome> {
        let stream = &self.stream;
        let gone = self.gone.get_or_insert_with(|| {
            let stream = stream.clone();
            Box::pin(async move { stream.gone().await })
        });
        if gone.as_mut().poll(context).is_ready() { Err(Outcome::Gone) } else { Ok(false) }
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
        self.watch.held(!self.queue.is_empty(), moved);
        Ok(moved)
    }
}

/// Serves a connection and closes it.
pub(in crate::host) async fn serve<P, L: Link>(stream: Stream, host: &Host<P>, open: impl FnOnce(Wire) -> L) {
    stream.set_nodelay();
    // Some front servers take a close for the end of a response. Any close that was not agreed is a reset instead.
    stream.set_zero_linger();
    let stream = Rc::new(stream);
    let watch = Watch::new(&host.limits, stream.clone());
    let mut link = open(Wire { stream: stream.clone(), queue: Queue::new(), watch, gone: None });
    let mut unused = pin!(host.shutdown.unused());
    let mut cutting = pin!(host.shutdown.reached(Stage::Cut));
    let mut closes = false;
    let outcome = poll_fn(|context| {
        if cutting.as_mut().poll(context).is_ready() {
            return Poll::Ready(Outcome::Stopped);
        }
        let is_used = link.has_begun() && host.shutdown.is_at(Stage::Closing);
        if !closes && (unused.as_mut().poll(context).is_ready() || is_used) {
            closes = true;
            link.close();
        }
        if let Poll::Ready(outcome) = poll(&mut link, context) {
            return Poll::Ready(outcome);
        }
        link.wire().watch.poll(context).map(Outcome::Overdue)
    })
    .await;
    let was_answering = match &outcome {
        Outcome::Gone => link.end(End::Gone, CutReason::Service),
        Outcome::Stopped => link.end(End::Cut, CutReason::Stopped),
        Outcome::Overdue(_) => link.end(End::Cut, CutReason::Stalled),
        Outcome::Over | Outcome::Cut | Outcome::Failed(_) => link.end(End::Cut, CutReason::Service),
    };
    drop(link);
    let Some(stream) = Rc::into_inner(stream) else { return };
    match outcome {
        Outcome::Cut => stream.reset(UNREAD_TIME).await,
        Outcome::Stopped if was_answering => stream.reset(LAST_TIME).await,
        Outcome::Gone | Outcome::Stopped => {}
        Outcome::Over => either(stream.linger(), host.shutdown.reached(Stage::Cut)).await,
        Outcome::Failed(why) => host.say(&stream, &why),
        Outcome::Overdue(Overdue::Head) => host.say(&stream, "a request did not arrive completely in time"),
        Outcome::Overdue(Overdue::Stalled) => {
            host.say(&stream, "the front server does not read the response");
            stream.set_zero_linger();
        }
    }
}

/// Runs turns until nothing progresses.
fn poll(link: &mut impl Link, context: &mut Context<'_>) -> Poll<Outcome> {
    for _ in 0..TURNS {
        let moved = match turn(link, context) {
            Ok(moved) => moved,
            Err(outcome) => return Poll::Ready(outcome),
        };
        if link.wire().queue.is_empty()
            && let Some(outcome) = link.is_over()
        {
            return Poll::Ready(outcome);
        }
        if !moved {
            return Poll::Pending;
        }
    }
    context.waker().wake_by_ref();
    Poll::Pending
}

/// Reads, answers and writes, in this order, so that a short response is one write. Returns `true` if there was
/// progress.
fn turn(link: &mut impl Link, context: &mut Context<'_>) -> Result<bool, Outcome> {
    let read = link.read(context)?;
    let answered = link.answer(context);
    let written = link.wire().write(context)?;
    if link.wire().queue.is_empty() {
        link.sent();
    }
    Ok(read || answered || written)
}
