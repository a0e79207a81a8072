//! The futures for what an end can wait for besides bytes: that output begins, that the program blocks, that the reader
//! is gone. Also how long a writer waits for a reader that does not pull.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use super::shared::Begun;
use super::{Channel, Chunks, Taken, Writer};
use crate::error::Error;
use crate::options::Options;
use crate::runtime::stop_waker::StopWaker;
use crate::runtime::wait;

/// A future that is ready when the first chunk or the end is available: made by [`Chunks::head`].
///
/// The future can be dropped at any time. To block, call [`wait`](Head::wait).
#[must_use = "futures do nothing unless polled; to block, call `wait()`"]
#[derive(Debug)]
pub struct Head<'a> {
    chunks: &'a mut Chunks,
    stop: StopWaker,
}

impl<'a> Head<'a> {
    pub(super) fn new(chunks: &'a mut Chunks) -> Head<'a> {
        Head { chunks, stop: StopWaker::default() }
    }

    /// Waits until the first chunk or the end is available. In a program on a [`Pool`](crate::Pool), suspends the
    /// program and holds no thread.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Chunks::head`]. Returns `BrokenPipe` if the caller is itself a program that must stop or
    /// is unwinding.
    pub fn wait(mut self) -> io::Result<()> {
        wait::until(|context| self.poll_head(context)).unwrap_or_else(|_| Err(Error::disconnected()))
    }

    fn poll_head(&mut self, context: &Context<'_>) -> Poll<io::Result<()>> {
        if self.chunks.has_ended() {
            return Poll::Ready(Ok(()));
        }
        self.chunks.begin();
        self.chunks.feed(context);
        loop {
            let program = &self.chunks.channel().program;
            // Counted before the look, so that `poll_waited` sees a wait that begins after the look.
            let waits = program.waits();
            let waited = match self.chunks.channel().poll_begun(context) {
                Begun::Whole => return Poll::Ready(Ok(())),
                Begun::Ended => return Poll::Ready(self.end()),
                // While the program waits for another bridge, it completes no chunk.
                Begun::Partly => return program.poll_waiting(context).map(Ok),
                Begun::Nothing => program.poll_waited(waits, context).map(drop),
            };
            ready!(waited);
        }
    }

    /// Takes the end of a program that wrote nothing.
    fn end(&mut self) -> io::Result<()> {
        match self.chunks.take_written() {
            Some(taken @ Taken::End(_)) => self.chunks.settle(Ok(taken)).map_or(Ok(()), |end| end.map(drop)),
            _ => Ok(()),
        }
    }
}

impl Future for Head<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.poll_head(context);
        self.stop.watch(polled, context).map(|head| head.unwrap_or_else(|_| Err(Error::disconnected())))
    }
}

/// A future that is ready when the program has begun to wait: made by [`Chunks::blocked`].
///
/// The future can be dropped at any time. To block, call [`wait`](Blocked::wait).
#[must_use = "futures do nothing unless polled; to block, call `wait()`"]
#[derive(Debug)]
pub struct Blocked<'a> {
    chunks: &'a mut Chunks,
    after: u64,
    stop: StopWaker,
}

impl<'a> Blocked<'a> {
    pub(super) fn new(chunks: &'a mut Chunks) -> Blocked<'a> {
        Blocked { chunks, after: 0, stop: StopWaker::default() }
    }

    /// Sets how many waits of the program to skip (default: 0).
    ///
    /// The program's writer counts its waits: see [`BridgeWriter::waits`](crate::BridgeWriter::waits).
    pub fn after(self, waits: u64) -> Blocked<'a> {
        Blocked { after: waits, ..self }
    }

    /// Waits until the program has begun to wait, and returns how often the program has waited. In a program on a
    /// [`Pool`](crate::Pool), suspends the program and holds no thread.
    ///
    /// # Errors
    ///
    /// Returns `BrokenPipe` if the caller is itself a program that must stop or is unwinding.
    pub fn wait(mut self) -> io::Result<u64> {
        wait::until(|context| self.poll_blocked(context)).map_err(|_| Error::disconnected())
    }

    fn poll_blocked(&mut self, context: &Context<'_>) -> Poll<u64> {
        if !self.chunks.has_ended() {
            self.chunks.begin();
            self.chunks.feed(context);
        }
        self.chunks.channel().program.poll_waited(self.after, context)
    }
}

impl Future for Blocked<'_> {
    type Output = io::Result<u64>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let polled = self.poll_blocked(context);
        self.stop.watch(polled, context).map_err(|_| Error::disconnected())
    }
}

/// A future that is ready when the bridge is closed: made by [`Writer::closed`].
///
/// The future can be dropped at any time. To block, call [`wait`](Closed::wait).
#[must_use = "futures do nothing unless polled; to block, call `wait()`"]
#[derive(Debug)]
pub struct Closed<'a> {
    writer: &'a Writer,
    ticket: Option<u64>,
    stop: StopWaker,
}

impl<'a> Closed<'a> {
    pub(super) fn new(writer: &'a Writer) -> Closed<'a> {
        Closed { writer, ticket: None, stop: StopWaker::default() }
    }

    /// Waits until the bridge is closed. In a program on a [`Pool`](crate::Pool), suspends the program and holds no
    /// thread.
    ///
    /// Returns at once in a program that is unwinding, where every wait is refused.
    pub fn wait(mut self) {
        let writer = self.writer;
        // If the wait is refused, the program must stop. If it stalls, the bridge has ended. Both mean closed.
        let _ = until_stalled(writer.patience(), |context| self.poll_closed(context));
    }

    fn poll_closed(&mut self, context: &Context<'_>) -> Poll<()> {
        match self.writer.channel() {
            Some(channel) => channel.poll_closed(&mut self.ticket, context),
            None => Poll::Pending,
        }
    }
}

impl Future for Closed<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let polled = self.poll_closed(context);
        // If the wait is refused, the program must stop, which also means closed.
        self.stop.watch(polled, context).map(|_| ())
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        if let (Some(ticket), Some(channel)) = (self.ticket, self.writer.channel()) {
            channel.forget_closed(ticket);
        }
    }
}

/// How long a writer waits for a reader that does not pull.
pub(super) struct Patience {
    time: Duration,
    channel: Arc<Channel>,
}

impl Patience {
    /// Returns the patience of a program's writer, if `stall_timeout` is set.
    pub(super) fn of(options: &Options, channel: &Arc<Channel>) -> Option<Patience> {
        options.stall_timeout().map(|time| Patience { time, channel: channel.clone() })
    }
}

/// Waits until `poll` is ready, or the reader stalls: for the whole time there was something to pull, and the reader
/// pulled nothing. If the reader stalls, the channel has ended with that error.
///
/// # Errors
///
/// Returns `TimedOut` if the reader has stalled, and `BrokenPipe` if the wait is refused.
pub(super) fn until_stalled<T>(
    patience: Option<&Patience>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> io::Result<T> {
    let Some(Patience { time, channel }) = patience else {
        return wait::until(poll).map_err(|_| Error::disconnected());
    };
    // If `poll` is ready at once, reading the clock would cost more than the poll.
    if let Poll::Ready(value) = poll(&mut Context::from_waker(Waker::noop())) {
        return Ok(value);
    }
    loop {
        let pulled = channel.stats().chunks;
        // A time too long for `Instant` is no limit.
        let Some(deadline) = Instant::now().checked_add(*time) else {
            return wait::until(poll).map_err(|_| Error::disconnected());
        };
        match wait::until_deadline(Some(deadline), &mut poll) {
            Ok(Some(value)) => return Ok(value),
            Ok(None) if channel.stall(pulled) => return Err(Error::stalled()),
            Ok(None) => {}
            Err(_) => return Err(Error::disconnected()),
        }
    }
}
