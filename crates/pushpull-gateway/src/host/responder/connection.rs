//! One connection of a front server, from its first byte to its close, whichever protocol it speaks.

use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use super::watch::{Overdue, Watch};
use crate::fastcgi::{MAX_SLICES, Queue};
use crate::host::End;
use crate::host::server::{Host, either};
use crate::host::shutdown::Stage;
use crate::host::stream::{LAST_TIME, Stream, UNREAD_TIME};

/// How much is read at once.
pub(in crate::host) const PIECE: usize = 64 * 1024;

/// How much may wait to be sent before responses are no longer asked for more.
pub(in crate::host) const MAX_QUEUED: usize = 128 * 1024;

/// How often something is moved before others have their turn.
const TURNS: usize = 64;

/// Why there is nothing more to be done on a connection.
pub(in crate::host) enum Outcome {
    /// It was agreed upon: all that was written is to arrive.
    Over,
    /// A response is not whole, and the close is to tell.
    Cut,
    Gone,
    Failed(String),
    Overdue(Overdue),
    Stopped,
}

/// The requests of a connection, as its protocol has them.
pub(in crate::host) trait Link {
    fn wire(&mut self) -> &mut Wire;

    /// Takes what has come. Says whether anything was moved.
    fn read(&mut self, context: &mut Context<'_>) -> Result<bool, Outcome>;

    /// Asks for what comes next of the responses, and queues it. Says whether anything was moved.
    fn answer(&mut self, context: &mut Context<'_>) -> bool;

    /// All that was queued has been sent.
    fn sent(&mut self) {}

    /// The server is to stop: nothing new is to begin.
    fn close(&mut self);

    /// Says how the connection ends, if there is nothing left to be done and nothing is queued.
    fn is_over(&self) -> Option<Outcome>;

    /// Ends what runs. Says whether there was anything.
    fn end(&mut self, end: End) -> bool;
}

/// The bytes of a connection, both ways.
pub(in crate::host) struct Wire {
    pub(in crate::host) stream: Rc<Stream>,
    /// What waits to be sent.
    pub(in crate::host) queue: Queue,
    pub(in crate::host) watch: Watch,
    /// Sees the front server go while nothing is read.
    gone: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Wire {
    /// Sees the front server go, in place of a read.
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
    // A close is taken for the end by some front servers. Unless it was agreed upon, it is not to look like one.
    stream.set_zero_linger();
    let stream = Rc::new(stream);
    let watch = Watch::new(&host.limits, stream.clone());
    let mut link = open(Wire { stream: stream.clone(), queue: Queue::new(), watch, gone: None });
    let mut closing = pin!(host.shutdown.reached(Stage::Closing));
    let mut cutting = pin!(host.shutdown.reached(Stage::Cut));
    let mut closes = false;
    let outcome = poll_fn(|context| {
        if cutting.as_mut().poll(context).is_ready() {
            return Poll::Ready(Outcome::Stopped);
        }
        if !closes && closing.as_mut().poll(context).is_ready() {
            closes = true;
            link.close();
        }
        if let Poll::Ready(outcome) = poll(&mut link, context) {
            return Poll::Ready(outcome);
        }
        link.wire().watch.poll(context).map(Outcome::Overdue)
    })
    .await;
    let was_answering = link.end(if matches!(outcome, Outcome::Gone) { End::Gone } else { End::Cut });
    drop(link);
    let Some(stream) = Rc::into_inner(stream) else { return };
    match outcome {
        Outcome::Cut => stream.reset(UNREAD_TIME).await,
        Outcome::Stopped if was_answering => stream.reset(LAST_TIME).await,
        Outcome::Gone | Outcome::Stopped => {}
        Outcome::Over => either(stream.linger(), host.shutdown.reached(Stage::Cut)).await,
        Outcome::Failed(why) => host.say(&stream, &why),
        Outcome::Overdue(Overdue::Head) => host.say(&stream, "a request that was begun did not come in time"),
        Outcome::Overdue(Overdue::Stalled) => {
            host.say(&stream, "the front server takes nothing of a response");
            stream.set_zero_linger();
        }
    }
}

/// Moves what can be moved.
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

/// Reads, answers and writes, in this order, so that a short answer is one write. Says whether anything was moved.
fn turn(link: &mut impl Link, context: &mut Context<'_>) -> Result<bool, Outcome> {
    let read = link.read(context)?;
    let answered = link.answer(context);
    let written = link.wire().write(context)?;
    if link.wire().queue.is_empty() {
        link.sent();
    }
    Ok(read || answered || written)
}
