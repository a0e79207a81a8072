//! How a channel ends, from either side.

use std::io;
use std::task::Waker;

use super::{CLOSED, Channel};
use crate::waker;

impl Channel {
    /// The writing side ends, for the first reason that is given.
    ///
    /// A writer that has got away from its program may be writing into the open segment or the ring at this moment. It is
    /// told by the flag, and what it published before it could see the flag is still queued.
    pub(crate) fn end(&self, result: io::Result<()>) {
        self.end_with(result, || self.barrier.heavy());
    }

    /// The engine of the program goes: it is told as if its host had gone, and its host is told why.
    pub(crate) fn shut_down(&self, error: io::Error) {
        self.end(Err(error));
        self.program.stop();
    }

    /// As `end`, by the writer of the open segment, which writes no more.
    pub(in crate::pipe) fn finish(&self, result: io::Result<()>) {
        self.end_with(result, || ());
    }

    fn end_with(&self, result: io::Result<()>, settle_open: impl FnOnce()) {
        let mut locked = self.lock();
        if locked.state.ended() {
            return;
        }
        self.attend(CLOSED, 0);
        if locked.open.is_some() || locked.ring.is_some() {
            settle_open();
            locked.queue_handed();
            locked.close_open();
        }
        let ring = locked.ring.take();
        locked.kept = Some(locked.state.pulled() + locked.state.queued_bytes() as u64);
        locked.state.end(result);
        let writer = locked.writer.take();
        let watchers = locked.watchers.take();
        let others = locked.complete();
        self.wake_puller(locked);
        others.into_iter().for_each(Waker::wake);
        waker::wake(writer.and_then(|held| held.waker));
        watchers.into_iter().for_each(|watchers| watchers.wake());
        drop(ring);
    }

    /// Of `len` bytes that were written into a closed channel after `before` others, how many the puller gets; `None` if it
    /// was the puller that went.
    pub(in crate::pipe) fn kept(&self, before: u64, len: usize) -> Option<usize> {
        let kept = self.lock_bare().kept?;
        Some(usize::try_from(kept.saturating_sub(before)).map_or(len, |kept| kept.min(len)))
    }

    /// The puller goes. The writer is told, and what was not pulled is dropped. Says how the bridge had ended, if it had,
    /// and the puller knew all but that.
    pub(crate) fn leave(&self) -> Option<io::Result<()>> {
        let mut locked = self.lock_settled();
        self.attend(CLOSED, 0);
        if locked.ring.is_some() {
            // What the writer adds from here on it drops itself, for it sees the flag.
            self.barrier.heavy();
            locked.queue_handed();
        }
        let (rest, untold) = locked.state.leave();
        let open = locked.open.take();
        let ring = locked.ring.take();
        let puller = self.take_puller(&mut locked);
        let writer = locked.writer.take();
        let watchers = locked.watchers.take();
        let share = locked.share.take();
        drop(locked);
        waker::wake(writer.and_then(|held| held.waker));
        watchers.into_iter().for_each(|watchers| watchers.wake());
        // A reader that has got away from its program may be waiting.
        waker::wake(puller);
        drop((rest, open, ring, share));
        untold
    }
}
