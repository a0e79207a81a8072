//! The reading side: takes the next chunk or the end, or leaves a waker; looks at a channel without pulling.

use std::mem;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::{ASLEEP, Channel, Counts, Locked, Taken};
use crate::channel::ahead::Ahead;
use crate::error::Error;
use crate::runtime::waker;
use crate::stats::Stats;
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
        let held = locked.writer.is_some();
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
        // A writer that later opens a segment or begins a row takes this lock, and then reads the flag.
        let lockless = locked.is_lockless();
        drop(locked);
        waker::discard(before);
        if !lockless {
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
        locked.batch = false;
        self.note_peak(&mut locked);
        let piece = match locked.state.pull() {
            Some(piece) => piece,
            None => match open.then(|| locked.take_open()).flatten() {
                Some(piece) => {
                    locked.state.pull_growing(&piece);
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
        let others = locked.pulled(piece.len());
        let writer = locked.writer_to_wake();
        // With a budget, bytes are given back with each chunk, under the lock.
        if locked.state.left() > 0 && locked.share.is_none() {
            locked.state.take_ahead(ahead);
            locked.batch = true;
            self.progress.value.begin(locked.state.pulled());
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

/// The content of a channel from which nothing was pulled.
#[derive(Debug, Clone, Copy)]
pub(in crate::channel) enum Begun {
    /// Nothing, and nothing will come.
    Ended,
    /// A chunk that is complete, or will not be completed for now.
    Whole,
    /// A part of a chunk.
    Partly,
    Nothing,
}

impl Channel {
    /// Returns what has been written. Unless that is a whole chunk or the end, registers the waker for it. A part does
    /// not wake: a reader that waits for the whole should not be woken at every write.
    pub(in crate::channel) fn poll_begun(&self, context: &Context<'_>) -> Begun {
        let mut locked = self.lock_settled();
        let begun = locked.begun();
        if let Begun::Whole | Begun::Ended = begun {
            return begun;
        }
        // The flag is set only in a row of handed-over chunks: otherwise the side that wakes this waker takes the lock.
        // `begin_row` sets the flag for a row that begins later.
        let row = locked.in_row;
        self.attend(if row { ASLEEP } else { 0 }, ASLEEP);
        let before = locked.puller.replace(context.waker().clone());
        drop(locked);
        waker::discard(before);
        if !row {
            return begun;
        }
        membarrier::heavy();
        let mut locked = self.lock_settled();
        let begun = locked.begun();
        let before = if let Begun::Whole | Begun::Ended = begun { self.take_puller(&mut locked) } else { None };
        drop(locked);
        waker::discard(before);
        begun
    }

    /// Ends the channel as stalled, if bytes are available, and the reader has pulled no more than `chunks` chunks.
    /// Returns `true` if it has stalled.
    pub(in crate::channel) fn stall(&self, chunks: u64) -> bool {
        let locked = self.lock_settled();
        let left = locked.state.was_left() || locked.puller.is_some();
        let stalled = !left && locked.state.pulled().chunks == chunks && locked.in_flight() > 0;
        drop(locked);
        if stalled {
            self.end(Err(Error::stalled()));
        }
        stalled
    }

    /// Returns `true` if nothing is left to pull, and the channel has ended without an error.
    #[cfg(any(feature = "http", feature = "stream"))]
    pub(in crate::channel) fn is_over(&self) -> bool {
        let locked = self.lock_settled();
        locked.has_ended_well() && locked.state.waiting() == 0
    }

    /// Returns how many bytes wait to be pulled, and whether they are the last.
    #[cfg(feature = "http")]
    pub(in crate::channel) fn waiting(&self) -> (usize, bool) {
        let locked = self.lock_settled();
        (locked.in_flight(), locked.has_ended_well())
    }

    /// Returns how many bytes wait to be pulled.
    pub(in crate::channel) fn in_flight(&self) -> usize {
        self.lock_settled().in_flight()
    }

    pub(in crate::channel) fn stats(&self) -> Stats {
        let mut locked = self.lock_settled();
        self.note_peak(&mut locked);
        let &Counts { writer_waits, puller_waits, peak } = &locked.counts;
        Stats {
            bytes: locked.state.pulled().bytes,
            chunks: locked.state.pulled().chunks,
            writer_waits,
            puller_waits,
            peak,
            longest_run: self.program.longest_run(),
        }
    }
}

impl Locked {
    /// Returns `true` if the channel has ended, and all that the reader gets is queued.
    pub(super) fn has_ended(&self) -> bool {
        self.kept.is_some()
    }

    #[cfg(any(feature = "http", feature = "stream"))]
    fn has_ended_well(&self) -> bool {
        self.state.ended_well() && self.has_ended()
    }

    fn begun(&self) -> Begun {
        match self.in_flight() > 0 {
            some if self.state.waiting() > 0 || (some && self.writer.is_some()) => Begun::Whole,
            _ if self.has_ended() => Begun::Ended,
            true => Begun::Partly,
            false => Begun::Nothing,
        }
    }
}

#[cfg(all(test, not(pushpull_loom)))]
mod tests {
    use std::io::Write;

    use crate::channel::pipe;
    use crate::stats::Stats;

    #[test]
    fn only_a_reader_that_leaves_bytes_for_the_whole_time_has_stalled() {
        let (mut writer, mut chunks) = pipe(16);
        let channel = writer.channel().unwrap().clone();
        assert!(!channel.stall(0), "there is nothing to pull");
        writer.write_all(b"abc").unwrap();
        writer.flush().unwrap();
        writer.write_all(b"def").unwrap();
        let pulled = channel.stats().chunks;
        chunks.next().unwrap().unwrap();
        assert!(!channel.stall(pulled), "something was pulled meanwhile");
        assert!(channel.stall(channel.stats().chunks));
    }

    #[test]
    fn law_4_the_peak_counts_what_is_handed_over_beside_what_was_taken_ahead() {
        let (mut writer, mut chunks) = pipe(1024);
        let mut hand_over = |chunks| (0..chunks).for_each(|_| writer.write_bytes("a chunk".into()).unwrap());
        hand_over(20);
        chunks.next().unwrap().unwrap();
        hand_over(10);
        assert_eq!(chunks.by_ref().take(19).count(), 19);
        let Stats { bytes, chunks, peak, .. } = chunks.stats();
        assert_eq!((bytes, chunks, peak), (20 * 7, 20, 29 * "a chunk".len()));
    }
}
