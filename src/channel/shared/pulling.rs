//! The reading side: takes the next chunk or the end, or leaves a waker.

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
    /// Returns how many chunks are known to be queued, beside those that the reader has taken ahead.
    pub(in crate::channel) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Takes a complete chunk, or the end. An incomplete chunk is left to grow, unless its writer is blocked.
    pub(in crate::channel) fn take_queued(&self, ahead: &mut Ahead) -> Option<Taken> {
        if let Some(chunk) = self.take_ahead(ahead) {
            return Some(Taken::Chunk(chunk));
        }
        let locked = self.lock();
        let held = locked.writer.as_ref().is_some_and(|held| held.waker.is_some());
        self.take(ahead, locked, held).ok()
    }

    /// Takes written bytes, complete or not, or the end.
    pub(in crate::channel) fn take_written(&self, ahead: &mut Ahead) -> Option<Taken> {
        match self.take_ahead(ahead) {
            Some(chunk) => Some(Taken::Chunk(chunk)),
            None => self.take(ahead, self.lock(), true).ok(),
        }
    }

    /// Takes the next of the chunks taken ahead.
    #[inline(always)]
    pub(in crate::channel) fn take_ahead(&self, ahead: &mut Ahead) -> Option<Bytes> {
        let (piece, resumes) = self.progress.value.pull(ahead)?;
        if resumes {
            self.resume();
        }
        Some(piece.into_bytes())
    }

    /// Wakes a blocked writer that can resume.
    #[cold]
    fn resume(&self) {
        let mut locked = self.lock_settled();
        let writer = locked.writer_to_wake();
        self.hold(&locked);
        drop(locked);
        waker::wake(writer);
    }

    /// Takes written bytes, complete or not, or the end. Registers the waker if there is neither.
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
            // The flag was set and the barrier passed, so every later write into the open segment or the ring sees the
            // flag.
            if !waker.will_wake(context.waker()) {
                let before = mem::replace(waker, context.waker().clone());
                drop(locked);
                waker::discard(Some(before));
            }
            return Poll::Pending;
        }
        let before = locked.puller.replace(context.waker().clone());
        locked.counts.puller_waits += 1;
        self.attend(ASLEEP, 0);
        // A writer that later opens a segment or lends a ring takes this lock, and then reads the flag.
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

    /// Takes the next chunk or the end, from the open segment only if `open` is `true`. Returns the lock if there is
    /// neither. Moves further queued chunks to `ahead`, which must be empty.
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
        // With a budget, bytes are given back with each chunk, under the lock.
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
        waker::wake_all(others);
        Ok(Taken::Chunk(piece.into_bytes()))
    }
}
