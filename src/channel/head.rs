//! The future for the beginning of a program's output.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::shared::Begun;
use super::{Chunks, Taken};
use crate::error::Error;
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
