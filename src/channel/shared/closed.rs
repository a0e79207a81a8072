//! Waiting for a bridge to be closed: how an idle writer notices that its puller has gone.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Channel;
use crate::channel::{Writer, stall};
use crate::runtime::stop_waker::StopWaker;
use crate::runtime::waker;

/// Ready when nobody can get what is written any more: made by [`Writer::closed`].
///
/// As a future it can be dropped at any time. [`wait`](Closed::wait) is the form that blocks.
#[must_use = "it waits only when it is polled, or by `wait()`"]
#[derive(Debug)]
pub struct Closed<'a> {
    writer: &'a Writer,
    ticket: Option<u64>,
    stop: StopWaker,
}

impl<'a> Closed<'a> {
    pub(in crate::channel) fn new(writer: &'a Writer) -> Closed<'a> {
        Closed { writer, ticket: None, stop: StopWaker::default() }
    }

    /// Waits here. A program on a [`Pool`](crate::Pool) is suspended for it, and holds no thread.
    ///
    /// Returns at once in a program that is unwinding: there every wait is refused.
    pub fn wait(mut self) {
        let writer = self.writer;
        // Refused, the program is to stop, and stalled, the bridge has ended: that is what it waits for.
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
        // Refused, the program is to stop: that is what it waits for.
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

impl Channel {
    /// Ready when the channel is closed. A wait that is given up is to be forgotten.
    fn poll_closed(&self, ticket: &mut Option<u64>, context: &Context<'_>) -> Poll<()> {
        if self.is_closed() {
            return Poll::Ready(());
        }
        let mut locked = self.lock_bare();
        // Whoever closes it does so under this lock, and wakes all who are noted by then.
        if locked.state.ended() {
            return Poll::Ready(());
        }
        let before = locked.watchers.get_or_insert_default().watch(ticket, context.waker());
        drop(locked);
        waker::discard(before);
        Poll::Pending
    }

    fn forget_closed(&self, ticket: u64) {
        let before = self.lock_bare().watchers.as_mut().and_then(|watchers| watchers.forget(ticket));
        waker::discard(before);
    }
}
