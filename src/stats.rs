//! The counts of a bridge.

use std::time::Duration;

/// The counts of a bridge, as returned by [`stats`](crate::Chunks::stats).
///
/// ```
/// let mut chunks = pushpull::Thread::new().pull(|w| std::io::Write::write_all(w, b"hello"));
/// let _ = chunks.by_ref().map(Result::unwrap).last();
/// assert_eq!(chunks.stats().bytes, 5);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The number of bytes pulled.
    pub bytes: u64,
    /// The number of chunks pulled.
    pub chunks: u64,
    /// The number of times that the writer was blocked by a full queue. Always 0 on `Local`, which has no queue.
    pub writer_waits: u64,
    /// The number of times that the reader waited for bytes. Always 0 on `Local`.
    pub puller_waits: u64,
    /// The maximum number of bytes that were accepted and not yet pulled at any time. Never above the capacity; always
    /// 0 on `Local`.
    ///
    /// Small writes are counted when their chunk is complete, or when the counts are read. So the maximum may lack
    /// bytes of one incomplete chunk, up to a chunk size.
    pub peak: usize,
    /// The longest time that the program kept its worker without a wait, as of its last wait or its end. The worker's
    /// other programs were held up for that long. Measured on `Pool`; zero on the other engines, where a program can
    /// hold up its reader alone.
    pub longest_run: Duration,
}

impl Stats {
    /// Returns the counts of a bridge without a queue.
    pub(crate) fn unqueued(bytes: u64, chunks: u64) -> Stats {
        Stats { bytes, chunks, ..Stats::default() }
    }
}
