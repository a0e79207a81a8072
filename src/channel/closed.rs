//! The future for a closed bridge, by which an idle writer notices that its reader is gone.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Writer, stall};
use crate::runtime::stop_waker::StopWaker;

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
        let _ = stall::until(writer.patience(), |context| self.poll_closed(context));
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
