//! The chunks that the reader has taken from the queue, and gives out without the lock.
//!
//! If chunks are small and many, the lock and all that it guards would move between cores for each chunk. So the reader
//! takes the whole queue with one lock. Taken chunks are in flight until they are pulled: the reader counts pulled
//! chunks here, and a writer that finds too little room reads that count.
//!
//! A blocked writer stores the number of pulled bytes at which it resumes. The reader checks that number only after
//! every few chunks, since a check takes as long as all the rest.

use std::collections::VecDeque;

use super::state::{Piece, Position};
use crate::sync::{AtomicU64, Ordering, fence};

/// The taken chunks, owned by the reader.
pub(super) type Ahead = VecDeque<Piece>;

/// The reader checks for a blocked writer after this many chunks, or about this fraction of the capacity.
const LOOKS: usize = 16;

/// How far the reader has pulled, published by it without the lock while it gives out taken chunks.
#[derive(Debug)]
pub(super) struct Progress {
    /// A power of two. The reader checks for a blocked writer when it passes a multiple of this many bytes.
    step: u64,
    chunks: AtomicU64,
    bytes: AtomicU64,
    /// The number of pulled bytes at which a blocked writer resumes.
    call_at: AtomicU64,
}

impl Progress {
    pub(super) fn new(capacity: usize) -> Progress {
        Progress {
            step: 1 << (capacity / LOOKS).max(1).ilog2(),
            chunks: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            call_at: AtomicU64::new(u64::MAX),
        }
    }

    /// Returns what was pulled.
    pub(super) fn pulled(&self) -> Position {
        // ORDERING: acquire, pairs with the release store in `pull`: the chunk count covers all bytes that are seen.
        let bytes = self.bytes.load(Ordering::Acquire);
        Position { bytes, chunks: self.chunks.load(Ordering::Relaxed) }
    }

    // Called by the reader.

    /// Publishes what was pulled before the queue was taken. Called under the lock.
    pub(super) fn begin(&self, pulled: Position) {
        self.chunks.store(pulled.chunks, Ordering::Relaxed);
        self.bytes.store(pulled.bytes, Ordering::Relaxed);
    }

    /// Takes the next chunk. Also returns whether a blocked writer can resume.
    #[inline]
    pub(super) fn pull(&self, ahead: &mut Ahead) -> Option<(Piece, bool)> {
        // Popped last: a piece held across the fence would be stored, loaded again and waited for.
        let len = ahead.front()?.len();
        let chunks = self.chunks.load(Ordering::Relaxed) + 1;
        self.chunks.store(chunks, Ordering::Relaxed);
        let before = self.bytes.load(Ordering::Relaxed);
        let bytes = before + len as u64;
        // ORDERING: release, pairs with the acquire load in `get`.
        self.bytes.store(bytes, Ordering::Release);
        let looks = chunks.is_multiple_of(LOOKS as u64) || (before ^ bytes) >= self.step;
        let calls = looks && self.calls(bytes);
        Some((ahead.pop_front()?, calls))
    }

    /// Returns `true` if a blocked writer can resume after `bytes` bytes.
    #[cold]
    fn calls(&self, bytes: u64) -> bool {
        // ORDERING: pairs with the fence in `hold`. Either the reader sees that the writer is blocked, or the writer
        // sees that `bytes` bytes were pulled.
        fence(Ordering::SeqCst);
        bytes >= self.call_at.load(Ordering::Relaxed)
    }

    // Called by the writer, under the lock.

    /// Blocks the writer until `until` bytes have been pulled. Returns `true` if they have been pulled already.
    pub(super) fn hold(&self, until: u64) -> bool {
        self.call_at.store(until, Ordering::Relaxed);
        // ORDERING: pairs with the fence in `calls`.
        fence(Ordering::SeqCst);
        self.bytes.load(Ordering::Relaxed) >= until
    }

    /// Records that no writer is blocked.
    pub(super) fn release(&self) {
        self.call_at.store(u64::MAX, Ordering::Relaxed);
    }
}
