//! Law 7 where an executor waits that the program runs itself, such as `block_on`.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::coroutine;
use super::coroutine::Refused;
use super::current;
use crate::channel::Channel;

/// Has the task that polls a future of this crate woken also when the program stops in which it polls. Each future has its
/// own, since each may be polled by a task of its own.
#[derive(Debug, Default)]
pub(crate) struct StopWaker(Option<(Arc<Channel>, u64)>);

impl StopWaker {
    /// Returns what the future gives, of which a poll gave `polled`. Refused is what would wait in a program that is to stop,
    /// or that is unwinding; outside of programs nothing is.
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
            // After it: a stop that this does not see wakes the task.
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
