//! What the puller has taken of the queue and gives out chunk by chunk, without the lock.
//!
//! Where chunks are small and many, the lock and all that it guards would go from core to core for each of them. So a
//! puller takes the whole queue with one lock. What it has taken is in flight until it is pulled: it counts that here, and
//! a writer that finds too little room looks. A writer that is held says after how many bytes it goes on; for that the puller
//! looks after every few chunks, as the look takes as long as all the rest.

use std::collections::VecDeque;

use super::piece::Piece;
use super::state::Measured as _;
use crate::sync::{AtomicUsize, Ordering, fence};

/// The chunks themselves, with the puller.
pub(super) type Ahead = VecDeque<Piece>;

/// The puller looks for a held writer after so many chunks, or about such a part of the capacity.
const LOOKS: usize = 16;

/// How far the puller has come with them.
#[derive(Debug)]
pub(super) struct Progress {
    /// A power of two: the puller looks for a held writer when it passes a multiple of so many bytes.
    step: usize,
    chunks: AtomicUsize,
    bytes: AtomicUsize,
    /// At so many bytes a held writer goes on.
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

    /// Chunks and bytes that were pulled since the queue was taken.
    pub(super) fn get(&self) -> (usize, usize) {
        // ORDERING: acquire, the other half of the store in `pull`: of the bytes that are seen, the chunks are too.
        let bytes = self.bytes.load(Ordering::Acquire);
        (self.chunks.load(Ordering::Relaxed), bytes)
    }

    // The puller's.

    /// It has taken the queue. Under the lock.
    pub(super) fn begin(&self) {
        self.chunks.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// The next chunk, and whether a held writer was found that goes on.
    #[inline]
    pub(super) fn pull(&self, ahead: &mut Ahead) -> Option<(Piece, bool)> {
        // Taken out at the end: what is held across the fence is stored and loaded again, and waited for.
        let len = ahead.front()?.len();
        let chunks = self.chunks.load(Ordering::Relaxed) + 1;
        self.chunks.store(chunks, Ordering::Relaxed);
        let before = self.bytes.load(Ordering::Relaxed);
        let bytes = before + len;
        // ORDERING: release, for `get`.
        self.bytes.store(bytes, Ordering::Release);
        let looks = chunks.is_multiple_of(LOOKS) || (before ^ bytes) >= self.step;
        let calls = looks && self.calls(bytes);
        Some((ahead.pop_front()?, calls))
    }

    /// Whether a writer is held that goes on after so many bytes.
    #[cold]
    fn calls(&self, bytes: usize) -> bool {
        // ORDERING: the pair of the fence in `hold`: either the puller sees that the writer is held, or the writer that so many
        // were pulled.
        fence(Ordering::SeqCst);
        bytes >= self.call_at.load(Ordering::Relaxed)
    }

    // The writer's, under the lock.

    /// It is held until so many bytes have been pulled. Says whether they have been already.
    pub(super) fn hold(&self, until: usize) -> bool {
        self.call_at.store(until, Ordering::Relaxed);
        // ORDERING: as in `calls`.
        fence(Ordering::SeqCst);
        self.bytes.load(Ordering::Relaxed) >= until
    }

    /// Nobody is held.
    pub(super) fn release(&self) {
        self.call_at.store(usize::MAX, Ordering::Relaxed);
    }
}
