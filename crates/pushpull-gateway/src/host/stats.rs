//! Figures of a running server.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of shards. The threads of a server mostly have one each, so that they do not wait for each other.
const SHARDS: usize = 16;

/// The figures of a server, readable at any time and from any thread. Clones share them.
///
/// ```
/// use pushpull_gateway::host::http::Server;
///
/// let server = Server::bind("127.0.0.1:0")?;
/// let stats = server.stats();
/// assert_eq!((stats.connections(), stats.received()), (0, 0));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Default)]
pub struct ServerStats(Arc<[Shard; SHARDS]>);

/// Counters that mostly one thread writes, apart from those of other threads.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    accepted: AtomicU64,
    closed: AtomicU64,
    refused: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

/// The counters of one thread.
#[derive(Clone)]
pub(super) struct Counters {
    stats: ServerStats,
    index: usize,
}

/// An open connection, counted until this value is dropped.
pub(super) struct OpenConnection(Counters);

impl ServerStats {
    fn sum(&self, counter: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.0.iter().map(|shard| counter(shard).load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }

    /// Returns the number of open connections.
    pub fn connections(&self) -> u64 {
        // A connection that opens in between is counted, one that closes is not.
        let closed = self.sum(|shard| &shard.closed);
        self.accepted().saturating_sub(closed)
    }

    /// Returns the number of connections accepted so far, without those refused.
    pub fn accepted(&self) -> u64 {
        self.sum(|shard| &shard.accepted)
    }

    /// Returns the number of connections refused so far, because there were too many.
    pub fn refused(&self) -> u64 {
        self.sum(|shard| &shard.refused)
    }

    /// Returns the number of bytes received so far, heads and framing included.
    pub fn received(&self) -> u64 {
        self.sum(|shard| &shard.received)
    }

    /// Returns the number of bytes sent so far, heads and framing included.
    pub fn sent(&self) -> u64 {
        self.sum(|shard| &shard.sent)
    }

    pub(super) fn of_thread(&self, index: usize) -> Counters {
        Counters { stats: self.clone(), index: index % SHARDS }
    }
}

impl Counters {
    fn shard(&self) -> &Shard {
        &self.stats.0[self.index]
    }

    pub(super) fn open(&self) -> OpenConnection {
        self.shard().accepted.fetch_add(1, Ordering::Relaxed);
        OpenConnection(self.clone())
    }

    pub(super) fn refuse(&self) {
        self.shard().refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn receive(&self, bytes: usize) {
        self.shard().received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn send(&self, bytes: usize) {
        self.shard().sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.shard().closed.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for ServerStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerStats")
            .field("connections", &self.connections())
            .field("accepted", &self.accepted())
            .field("refused", &self.refused())
            .field("received", &self.received())
            .field("sent", &self.sent())
            .finish()
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counters({})", self.index)
    }
}
