//! What a bridge has done so far.

use std::time::Duration;

/// Counts kept by a bridge, as [`stats`](crate::Chunks::stats) gives them.
///
/// ```
/// let mut chunks = pushpull::Thread::new().pull(|w| std::io::Write::write_all(w, b"hello"));
/// let _ = chunks.by_ref().map(Result::unwrap).last();
/// assert_eq!(chunks.stats().bytes, 5);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes pulled.
    pub bytes: u64,
    /// Chunks pulled.
    pub chunks: u64,
    /// How often the writer was held because the queue was full. Always 0 on `Local`, which has no queue.
    pub writer_waits: u64,
    /// How often the puller had to wait for bytes. Always 0 on `Local`.
    pub puller_waits: u64,
    /// The most bytes that were accepted and not yet pulled at any time; never above the capacity. Always 0 on `Local`. Small
    /// writes are counted when their chunk is complete, or somebody looks: the highest number may lack what had been written of
    /// a chunk, a chunk size at the most.
    pub peak: usize,
    /// The longest time that the program kept its worker without a wait, as of its last wait or its end: for so long
    /// it has held up the worker's other programs. Measured on `Pool`; zero elsewhere, where it holds up nobody else
    /// or its puller alone.
    pub longest_run: Duration,
}

impl Stats {
    /// Those of a bridge without a queue.
    pub(crate) fn unqueued(bytes: u64, chunks: u64) -> Stats {
        Stats { bytes, chunks, ..Stats::default() }
    }
}
