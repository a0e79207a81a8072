//! Waiting for a program to wait.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Chunks;
use crate::error::Error;
use crate::runtime::stop_waker::StopWaker;
use crate::runtime::wait;

/// A future that is ready when the program has begun to wait: made by [`Chunks::blocked`].
///
/// It can be dropped at any time. [`wait`](Blocked::wait) is the form that blocks.
#[must_use = "it waits only when it is polled, or by `wait()`"]
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

    /// Sets how many waits of the program are passed over (default: 0).
    ///
    /// A program's end of the bridge counts them: see [`BridgeWriter::waits`](crate::BridgeWriter::waits).
    pub fn after(self, waits: u64) -> Blocked<'a> {
        Blocked { after: waits, ..self }
    }

    /// Waits here, and returns how often the program has waited. In a program on a [`Pool`](crate::Pool) this suspends the
    /// program, and holds no thread.
    ///
    /// # Errors
    ///
    /// Returns `BrokenPipe` if the caller is itself a program that is to stop, or is unwinding.
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
