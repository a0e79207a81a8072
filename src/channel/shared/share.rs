//! The channel's share of a budget. Without a budget, the limit is the capacity.

use std::task::{Context, Waker};

use super::Locked;

impl Locked {
    /// Records that a writer with `accepted` bytes accepted may write `len` more, after the lock is released. Until it
    /// does, these bytes count as held: a pull does not give their share back.
    pub(super) fn grant(&mut self, accepted: u64, len: usize) {
        self.granted = accepted + len as u64;
    }

    /// Returns the maximum number of bytes in flight without another request, apart from bytes that join the open
    /// segment.
    fn most_in_flight(&self) -> usize {
        self.in_flight().max(self.granted.saturating_sub(self.state.pulled()) as usize)
    }

    /// Takes from the budget what a write of `len` bytes lacks. Without a context, it takes only free bytes; with a
    /// context, it requests the rest. Returns whether a blocked writer resumes, and a waker that is no longer needed.
    pub(super) fn provide(
        &mut self,
        accepted: u64,
        len: usize,
        context: Option<&Context<'_>>,
    ) -> (bool, Option<Waker>) {
        let Some(share) = &mut self.share else { return (false, None) };
        if share.collect() {
            self.state.limit(share.limit());
            return (true, None);
        }
        // A whole chunk, for many small writes.
        let lacking = self.state.lacking(accepted, len, len.max(share.own()));
        if lacking == 0 {
            return (false, None);
        }
        if !share.is_waiting() && share.take(lacking) {
            self.state.limit(share.limit());
            return (true, None);
        }
        (false, context.and_then(|context| share.wait(lacking, context.waker())))
    }

    /// Withdraws the request of a writer that resumes. Returns the wakers to wake.
    pub(super) fn provided(&mut self) -> Vec<Waker> {
        self.share.as_mut().map_or_else(Vec::new, |share| share.give_up())
    }

    /// Gives back `len` pulled bytes, unless they are needed. Returns the wakers to wake.
    pub(super) fn pulled(&mut self, len: usize) -> Vec<Waker> {
        if self.share.is_none() {
            return Vec::new();
        }
        let most = self.most_in_flight();
        let Some(share) = &mut self.share else { return Vec::new() };
        // Without asking, the writer may put less than a chunk into the open segment. That is the bridge's own chunk.
        let woken = share.settle(len, most);
        self.state.limit(share.limit());
        woken
    }

    /// Gives back what the bridge no longer needs, since nothing more will be written. Returns the wakers to wake.
    pub(super) fn complete(&mut self) -> Vec<Waker> {
        let most = self.in_flight();
        let Some(share) = &mut self.share else { return Vec::new() };
        let mut woken = share.give_up();
        woken.extend(share.settle(0, most.saturating_sub(share.own())));
        woken
    }
}

#[cfg(all(test, not(pushpull_loom)))]
mod tests {
    use std::sync::Arc;
    use std::task::Poll;

    use crate::budget::Budget;
    use crate::channel::ahead::Ahead;
    use crate::channel::sender::Sender;
    use crate::channel::{Channel, Taken};
    use crate::options::Options;

    #[test]
    fn law_4_what_a_writer_was_granted_is_not_given_back_before_it_is_written() {
        let budget = Budget::new(8);
        let mut options = Options::pipe(100);
        options.set_chunk_size(4);
        options.set_budget(&budget);
        let channel = Arc::new(Channel::new(&options));
        assert!(Sender::new(channel.clone(), &options).poll_write(&[7; 4], None).is_ready());
        let room = channel.poll_room(4, 8, None, None);
        assert!(matches!(room, Poll::Ready(Ok(8))));
        assert_eq!(budget.available(), 0);
        // Only the pulled chunk is given back: the next eight bytes need the own chunk and four more.
        assert!(matches!(channel.take_written(&mut Ahead::new()), Some(Taken::Chunk(_))));
        assert_eq!(budget.available(), 4);
    }
}
