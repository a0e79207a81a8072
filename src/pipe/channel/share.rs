//! The channel's part of a budget. Without one, its limit is its capacity.

use std::task::{Context, Waker};

use super::Locked;

impl Locked {
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
        let most = self.in_flight();
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
