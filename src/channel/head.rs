//! Waiting for the beginning of what a program writes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::shared::Begun;
use super::{Chunks, Taken};
use crate::error::Error;
use crate::runtime::stop_waker::StopWaker;
use crate::runtime::wait;

/// Ready when the first chunk is there, or the end: made by [`Chunks::head`].
///
/// As a future it can be dropped at any time. [`wait`](Head::wait) is the form that blocks.
#[must_use = "it waits only when it is polled, or by `wait()`"]
#[derive(Debug)]
pub struct Head<'a> {
    chunks: &'a mut Chunks,
    stop: StopWaker,
}

impl<'a> Head<'a> {
    pub(super) fn new(chunks: &'a mut Chunks) -> Head<'a> {
        Head { chunks, stop: StopWaker::default() }
    }

    /// Waits here. In a program on a [`Pool`](crate::Pool) this suspends the program, and holds no thread.
    ///
    /// # Errors
    ///
    /// As [`Chunks::head`].
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
            // Before the look: a wait that comes after it is seen below.
            let waits = program.waits();
            let waited = match self.chunks.channel().poll_begun(context) {
                Begun::Whole => return Poll::Ready(Ok(())),
                Begun::Ended => return Poll::Ready(self.end()),
                // A program that waits for another bridge completes no chunk meanwhile.
                Begun::Partly => return program.poll_waiting(context).map(Ok),
                Begun::Nothing => program.poll_waited(waits, context).map(drop),
            };
            ready!(waited);
        }
    }

    /// Nothing was written: the end is all there is.
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
