//! The chunks that the reader has taken from the queue, and gives out without the lock.
//!
//! If chunks are small and many, the lock and all that it guards would move between cores for each chunk. So the reader
//! takes the whole queue with one lock. Taken chunks are in flight until they are pulled: the reader counts pulled
//! chunks here, and a writer that finds too little room reads that count.
//!
//! A blocked writer stores the number of pulled bytes at which it resumes. The reader checks that number only after
//! every few chunks, since a check takes as long as all the rest.

use std::collections::VecDeque;

use super::queue::Piece;
use super::state::Measured as _;
use crate::sync::{AtomicUsize, Ordering, fence};

/// The taken chunks, owned by the reader.
pub(super) type Ahead = VecDeque<Piece>;

/// The reader checks for a blocked writer after this many chunks, or about this fraction of the capacity.
const LOOKS: usize = 16;

/// The reader's progress through the taken chunks.
#[derive(Debug)]
pub(super) struct Progress {
    /// A power of two. The reader checks for a blocked writer when it passes a multiple of this many bytes.
    step: usize,
    chunks: AtomicUsize,
    bytes: AtomicUsize,
    /// The number of pulled bytes at which a blocked writer resumes.
    call_at: AtomicUsize,
}

impl Progress {
    pub(super) fn new(capacity: usize) -> Progress {
        Progress {
            step: 1 << (capacity / LOOKS).max(1).ilog2(),
            chunks: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            call_at: AtomicUsize::new(usize::MAX),
        }
    }

    /// Returns how many chunks and bytes were pulled since the queue was taken.
    pub(super) fn get(&self) -> (usize, usize) {
        // ORDERING: acquire, pairs with the release store in `pull`: the chunk count covers all bytes that are seen.
        let bytes = self.bytes.load(Ordering::Acquire);
        (self.chunks.load(Ordering::Relaxed), bytes)
    }

    // Called by the reader.

    /// Resets the progress after the queue was taken. Called under the lock.
    pub(super) fn begin(&self) {
        self.chunks.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// Takes the next chunk. Also returns whether a blocked writer can resume.
    #[inline]
    pub(super) fn pull(&self, ahead: &mut Ahead) -> Option<(Piece, bool)> {
        // Popped last: a piece held across the fence would be stored, loaded again and waited for.
        let len = ahead.front()?.len();
        let chunks = self.chunks.load(Ordering::Relaxed) + 1;
        self.chunks.store(chunks, Ordering::Relaxed);
        let before = self.bytes.load(Ordering::Relaxed);
        let bytes = before + len;
        // ORDERING: release, pairs with the acquire load in `get`.
        self.bytes.store(bytes, Ordering::Release);
        let looks = chunks.is_multiple_of(LOOKS) || (before ^ bytes) >= self.step;
        let calls = looks && self.calls(bytes);
        Some((ahead.pop_front()?, calls))
    }

    /// Returns `true` if a blocked writer can resume after `bytes` bytes.
    #[cold]
    fn calls(&self, bytes: usize) -> bool {
        // ORDERING: pairs with the fence in `hold`. Either the reader sees that the writer is blocked, or the writer
        // sees that `bytes` bytes were pulled.
        fence(Ordering::SeqCst);
        bytes >= self.call_at.load(Ordering::Relaxed)
    }

    // Called by the writer, under the lock.

    /// Blocks the writer until `until` bytes have been pulled. Returns `true` if they have been pulled already.
    pub(super) fn hold(&self, until: usize) -> bool {
        self.call_at.store(until, Ordering::Relaxed);
        // ORDERING: pairs with the fence in `calls`.
        fence(Ordering::SeqCst);
        self.bytes.load(Ordering::Relaxed) >= until
    }

    /// Records that no writer is blocked.
    pub(super) fn release(&self) {
        self.call_at.store(usize::MAX, Ordering::Relaxed);
    }
}
