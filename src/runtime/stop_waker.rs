//! Law 7 inside an executor that a program runs itself, such as `block_on`.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::coroutine;
use super::coroutine::Refused;
use super::current;
use crate::channel::Channel;

/// Wakes the task that polls a future of this crate also when the surrounding program is stopped. Each future has a
/// `StopWaker` of its own, because each may be polled by another task.
#[derive(Debug, Default)]
pub(crate) struct StopWaker(Option<(Arc<Channel>, u64)>);

impl StopWaker {
    /// Returns the result of the future's poll, `polled`. Returns `Refused` in place of `Pending` if the surrounding
    /// program is to stop or is unwinding. Outside of programs nothing is refused.
    #[inline]
    pub(crate) fn watch<T>(&mut self, polled: Poll<T>, context: &Context<'_>) -> Poll<Result<T, Refused>> {
        match polled {
            Poll::Ready(value) => {
                self.forget();
                Poll::Ready(Ok(value))
            }
            Poll::Pending => self.wait(context.waker()),
        }
    }

    fn wait<T>(&mut self, waker: &Waker) -> Poll<Result<T, Refused>> {
        let program = current::channel();
        let stays = |(channel, _): &(Arc<Channel>, u64)| program.as_ref().is_some_and(|own| Arc::ptr_eq(own, channel));
        if !self.0.as_ref().is_some_and(stays) {
            self.forget();
        }
        let mut stops = coroutine::refuses_to_wait();
        if let Some(channel) = program {
            let mut ticket = self.0.take().map(|(_, ticket)| ticket);
            channel.program.watch_task(&mut ticket, waker);
            // After `watch_task`: a stop that comes later wakes the task.
            stops |= channel.program.refuses_to_wait();
            self.0 = ticket.map(|ticket| (channel, ticket));
        }
        if stops {
            self.forget();
            return Poll::Ready(Err(Refused));
        }
        Poll::Pending
    }

    #[inline]
    fn forget(&mut self) {
        if let Some((channel, ticket)) = self.0.take() {
            channel.program.forget_task(ticket);
        }
    }
}

impl Drop for StopWaker {
    fn drop(&mut self) {
        self.forget();
    }
}
