//! Waiting for the first chunk of a program on the calling thread.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Chunks;
use crate::error::Error;
use crate::runtime::stop_waker::StopWaker;

/// A future that is ready when the first chunk or the end is there, from [`Chunks::head`].
///
/// It can be dropped at any time. [`wait`](Head::wait) is the blocking form.
#[must_use = "the program runs only when this future is polled, or by `wait()`"]
#[derive(Debug)]
pub struct Head<'a> {
    chunks: &'a mut Chunks,
    stop: StopWaker,
}

impl<'a> Head<'a> {
    pub(super) fn new(chunks: &'a mut Chunks) -> Head<'a> {
        Head { chunks, stop: StopWaker::default() }
    }

    /// Runs the program on this thread until it has written its first chunk or has ended.
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`Chunks::head`].
    pub fn wait(self) -> io::Result<()> {
        match self.chunks.look_ahead(None) {
            Poll::Ready(head) => head,
            // Without a waker, a wait inside the program blocks the thread, so the program does not come back waiting.
            Poll::Pending => Ok(()),
        }
    }
}

impl Future for Head<'_> {
    type Output = io::Result<()>;

    /// Runs the program until it waits. The wait suspends the program, and the executor's thread is free.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.chunks.look_ahead(Some(context.waker()));
        self.stop.watch(polled, context).map(|head| head.unwrap_or_else(|_| Err(Error::disconnected())))
    }
}
