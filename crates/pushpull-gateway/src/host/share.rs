//! Which thread serves a connection: the one with the fewest, whichever accepted it.
//!
//! All threads wait on the one listening socket, and under load it is mostly the same one that is quickest. Left to that, it
//! would serve all, and the other cores none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::stream::Detached;

/// A connection that was accepted, and the right to have it.
pub(super) struct Accepted {
    pub(super) stream: Detached,
    pub(super) permit: OwnedSemaphorePermit,
    pub(super) place: Place,
}

/// All threads of a server. What is on its way to one is bounded by the permits.
#[derive(Clone)]
pub(super) struct Threads(Arc<[Thread]>);

struct Thread {
    connections: Arc<AtomicUsize>,
    queue: UnboundedSender<Accepted>,
}

/// Counts a connection for its thread as long as it is there.
pub(super) struct Place {
    pub(super) thread: usize,
    connections: Arc<AtomicUsize>,
}

impl Threads {
    /// So many threads, and for each what it is given.
    pub(super) fn new(number: usize) -> (Threads, Vec<UnboundedReceiver<Accepted>>) {
        let (threads, given): (Vec<_>, Vec<_>) = (0..number)
            .map(|_| {
                let (queue, given) = unbounded_channel();
                (Thread { connections: Arc::default(), queue }, given)
            })
            .unzip();
        (Threads(threads.into()), given)
    }

    /// The place for one more connection: with `own` unless another has fewer.
    pub(super) fn place(&self, own: usize) -> Place {
        let load = |thread: usize| self.0[thread].connections.load(Ordering::Relaxed);
        let thread = (0..self.0.len()).min_by_key(|thread| (load(*thread), *thread != own)).unwrap_or(own);
        let connections = self.0[thread].connections.clone();
        connections.fetch_add(1, Ordering::Relaxed);
        Place { thread, connections }
    }

    /// Gives a connection to the thread of its place. One that has stopped takes none, which closes it.
    pub(super) fn give(&self, accepted: Accepted) {
        let _ = self.0[accepted.place.thread].queue.send(accepted);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
