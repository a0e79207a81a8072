//! The future for a program that begins to wait.

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
