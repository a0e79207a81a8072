//! The pulling side: the next chunk, or the end, or a waker that is left for it.

use std::mem;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::{ASLEEP, Channel, Locked, Taken};
use crate::channel::ahead::Ahead;
use crate::channel::state;
use crate::runtime::waker;
use crate::sync::{MutexGuard, Ordering};
use crate::sys::membarrier;

impl Channel {
    /// How many chunks are known to be there, beside those that the puller has taken ahead.
    pub(in crate::channel) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// A chunk that is complete, or the end. What is still being written is left to grow, unless its writer is held and
    /// can write no more.
    pub(in crate::channel) fn take_queued(&self, ahead: &mut Ahead) -> Option<Taken> {
        if let Some(chunk) = self.take_ahead(ahead) {
            return Some(Taken::Chunk(chunk));
        }
        let locked = self.lock();
        let held = locked.writer.as_ref().is_some_and(|held| held.waker.is_some());
        self.take(ahead, locked, held).ok()
    }

    /// Whatever has been written, complete or not; or the end.
    pub(in crate::channel) fn take_written(&self, ahead: &mut Ahead) -> Option<Taken> {
        match self.take_ahead(ahead) {
            Some(chunk) => Some(Taken::Chunk(chunk)),
            None => self.take(ahead, self.lock(), true).ok(),
        }
    }

    /// The next of those that were taken ahead.
    #[inline(always)]
    pub(in crate::channel) fn take_ahead(&self, ahead: &mut Ahead) -> Option<Bytes> {
        let (piece, resumes) = self.progress.value.pull(ahead)?;
        if resumes {
            self.resume();
        }
        Some(piece.into_bytes())
    }

    /// Wakes a writer that is held and can go on.
    #[cold]
    fn resume(&self) {
        let mut locked = self.lock_settled();
        let writer = locked.writer_to_wake();
        self.hold(&locked);
        drop(locked);
        waker::wake(writer);
    }

    /// Whatever has been written, complete or not; or the end; or else the puller is woken when there is one of them.
    pub(in crate::channel) fn poll_take(&self, ahead: &mut Ahead, context: &Context<'_>) -> Poll<Taken> {
        if let Some(chunk) = self.take_ahead(ahead) {
            return Poll::Ready(Taken::Chunk(chunk));
        }
        let mut locked = match self.take(ahead, self.lock(), true) {
            Ok(taken) => return Poll::Ready(taken),
            Err(locked) => locked,
        };
        if let Some(waker) = &mut locked.puller
            && self.attention.value.load(Ordering::Relaxed) & ASLEEP != 0
        {
            // Since the flag was set and the barrier passed, every write into the open segment or the ring looks at the flag.
            if !waker.will_wake(context.waker()) {
                let before = mem::replace(waker, context.waker().clone());
                drop(locked);
                waker::discard([before]);
            }
            return Poll::Pending;
        }
        let before = locked.puller.replace(context.waker().clone());
        locked.counts.puller_waits += 1;
        self.attend(ASLEEP, 0);
        // Whoever opens a segment or a ring takes this lock after it, and looks at the flag after that.
        let open = locked.open.is_some() || locked.ring.is_some();
        drop(locked);
        waker::discard(before);
        if !open {
            return Poll::Pending;
        }
        membarrier::heavy();
        match self.take(ahead, self.lock(), true) {
            Ok(taken) => Poll::Ready(taken),
            Err(_) => Poll::Pending,
        }
    }

    /// The next chunk or the end; from the open segment only if `open` says so. Gives the lock back if there is neither. More
    /// chunks that are queued go to `ahead`, which is empty.
    fn take<'a>(
        &self,
        ahead: &mut Ahead,
        mut locked: MutexGuard<'a, Locked>,
        open: bool,
    ) -> Result<Taken, MutexGuard<'a, Locked>> {
        self.settle(&mut locked);
        locked.seen = None;
        self.note_peak(&mut locked);
        let piece = match locked.state.pull() {
            Some(piece) => piece,
            None => match open.then(|| locked.take_open()).flatten() {
                Some(piece) => {
                    locked.state.count(&piece);
                    piece
                }
                None => {
                    let end = if locked.has_ended() { locked.state.tell_end() } else { None };
                    return match end {
                        Some(end) => Ok(Taken::End(end.err())),
                        None => Err(locked),
                    };
                }
            },
        };
        let puller = self.take_puller(&mut locked);
        let others = locked.pulled(state::Measured::len(&piece));
        let writer = locked.writer_to_wake();
        // What is of a budget is given back with each chunk, under the lock.
        if locked.state.left() > 0 && locked.share.is_none() {
            locked.state.take_ahead(ahead);
            locked.seen = Some((0, 0));
            self.progress.value.begin();
            self.hold(&locked);
        }
        self.queued.store(locked.state.left(), Ordering::Relaxed);
        drop(locked);
        waker::discard(puller);
        waker::wake(writer);
        waker::wake(others);
        Ok(Taken::Chunk(piece.into_bytes()))
    }
}
