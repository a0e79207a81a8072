//! Waiting for the beginning of what a local program writes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Chunks;
use crate::error::Error;
use crate::runtime::stop_waker::StopWaker;

/// Ready when the first chunk is there, or the end: made by [`Chunks::head`].
///
/// As a future it can be dropped at any time. [`wait`](Head::wait) is the form that blocks.
#[must_use = "it runs the program only when it is polled, or by `wait()`"]
#[derive(Debug)]
pub struct Head<'a> {
    chunks: &'a mut Chunks,
    stop: StopWaker,
}

impl<'a> Head<'a> {
    pub(super) fn new(chunks: &'a mut Chunks) -> Head<'a> {
        Head { chunks, stop: StopWaker::default() }
    }

    /// Runs the program here, until it has written its first chunk or has ended.
    ///
    /// # Errors
    ///
    /// As [`Chunks::head`].
    pub fn wait(self) -> io::Result<()> {
        match self.chunks.look_ahead(None) {
            Poll::Ready(head) => head,
            // Where nobody polls it, a program that waits does not come back before it can go on.
            Poll::Pending => Ok(()),
        }
    }
}

impl Future for Head<'_> {
    type Output = io::Result<()>;

    /// A wait inside the program suspends it and gives the executor its turn.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.chunks.look_ahead(Some(context.waker()));
        self.stop.watch(polled, context).map(|head| head.unwrap_or_else(|_| Err(Error::disconnected())))
    }
}
