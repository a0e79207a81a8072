//! Waiting for a bridge to be closed: how an idle writer notices that its puller has gone.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::Channel;
use crate::pipe::{Writer, stall};

/// Ready when nobody can get what is written any more: made by [`Writer::closed`].
///
/// As a future it can be dropped at any time. [`wait`](Closed::wait) is the form that blocks.
#[must_use = "it waits only when it is polled, or by `wait()`"]
#[derive(Debug)]
pub struct Closed<'a> {
    writer: &'a Writer,
    ticket: Option<u64>,
}

impl<'a> Closed<'a> {
    pub(in crate::pipe) fn new(writer: &'a Writer) -> Closed<'a> {
        Closed { writer, ticket: None }
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
        self.poll_closed(context)
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        if let (Some(ticket), Some(channel)) = (self.ticket, self.writer.channel()) {
            channel.forget_closed(ticket);
        }
    }
}

/// Who waits for a channel to be closed. There may be several, and each may give up.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    wakers: Vec<(u64, Waker)>,
    issued: u64,
}

impl Watchers {
    /// Notes that `waker` is to be woken, in the place of the one that was noted with that ticket, which is given back.
    pub(super) fn watch(&mut self, ticket: &mut Option<u64>, waker: &Waker) -> Option<Waker> {
        if let Some(own) = *ticket
            && let Some((_, noted)) = self.wakers.iter_mut().find(|(other, _)| *other == own)
        {
            return Some(mem::replace(noted, waker.clone()));
        }
        self.wakers.push((self.issued, waker.clone()));
        *ticket = Some(self.issued);
        self.issued += 1;
        None
    }

    pub(super) fn forget(&mut self, ticket: u64) -> Option<Waker> {
        let place = self.wakers.iter().position(|(other, _)| *other == ticket)?;
        Some(self.wakers.swap_remove(place).1)
    }

    pub(super) fn wake(self) {
        self.wakers.into_iter().for_each(|(_, waker)| waker.wake());
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
        drop(before);
        Poll::Pending
    }

    fn forget_closed(&self, ticket: u64) {
        let before = self.lock_bare().watchers.as_mut().and_then(|watchers| watchers.forget(ticket));
        drop(before);
    }
}
