//! The channel's part of a budget. Without one, its limit is its capacity.

use std::task::{Context, Waker};

use super::Locked;

impl Locked {
    /// A writer that has had `accepted` accepted is told that it may write `len` bytes more, and does so after the lock is
    /// released. Until then they count as held: what is pulled meanwhile does not give their share back.
    pub(super) fn grant(&mut self, accepted: u64, len: usize) {
        self.granted = accepted + len as u64;
    }

    /// How many bytes may be in flight without another question, but for what joins the open segment.
    fn most_in_flight(&self) -> usize {
        self.in_flight().max(self.granted.saturating_sub(self.state.pulled()) as usize)
    }

    /// Sees to it that a write of `len` bytes has room, as far as that is up to the budget. Without a context, only of
    /// what is there. Says whether a writer that was held goes on for it, and whose waker is not needed any more.
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

    /// A writer that was held goes on, whatever it has asked for. Says who is to be woken for it.
    pub(super) fn provided(&mut self) -> Vec<Waker> {
        self.share.as_mut().map_or_else(Vec::new, |share| share.give_up())
    }

    /// So many bytes were pulled. Says who is to be woken for it.
    pub(super) fn pulled(&mut self, len: usize) -> Vec<Waker> {
        if self.share.is_none() {
            return Vec::new();
        }
        let most = self.most_in_flight();
        let Some(share) = &mut self.share else { return Vec::new() };
        // What the writer may still put into the open segment without asking is less than a chunk, which is its own.
        let woken = share.settle(len, most);
        self.state.limit(share.limit());
        woken
    }

    /// Nothing more will be written. Says who is to be woken for it.
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
        // Its own chunk is pulled, and is all that is given back: the eight bytes that come need the own chunk and four more.
        assert!(matches!(channel.take_written(&mut Ahead::new()), Some(Taken::Chunk(_))));
        assert_eq!(budget.available(), 4);
    }
}
