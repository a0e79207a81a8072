//! The choice of the thread that serves a connection: the one with the fewest connections.
//!
//! All threads wait on the same listening socket. Under load mostly the same thread accepts first; without this choice
//! it would serve nearly every connection while the other cores idle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::stream::Detached;

/// An accepted connection with its permit.
pub(super) struct Accepted {
    pub(super) stream: Detached,
    pub(super) permit: OwnedSemaphorePermit,
    pub(super) place: Place,
}

/// All threads of a server. The permits limit the length of their queues.
#[derive(Clone)]
pub(super) struct Threads(Arc<[Thread]>);

struct Thread {
    connections: Arc<AtomicUsize>,
    queue: UnboundedSender<Accepted>,
}

/// A connection's place on a thread, counted until it is dropped.
pub(super) struct Place {
    pub(super) thread: usize,
    connections: Arc<AtomicUsize>,
}

impl Threads {
    /// Creates the queues of `number` threads, and returns the receiving end of each.
    pub(super) fn new(number: usize) -> (Threads, Vec<UnboundedReceiver<Accepted>>) {
        let (threads, given): (Vec<_>, Vec<_>) = (0..number)
            .map(|_| {
                let (queue, given) = unbounded_channel();
                (Thread { connections: Arc::default(), queue }, given)
            })
            .unzip();
        (Threads(threads.into()), given)
    }

    /// Returns the place for one more connection: on the thread `own`, unless another thread has fewer.
    pub(super) fn place(&self, own: usize) -> Place {
        let load = |thread: usize| self.0[thread].connections.load(Ordering::Relaxed);
        let thread = (0..self.0.len()).min_by_key(|thread| (load(*thread), *thread != own)).unwrap_or(own);
        let connections = self.0[thread].connections.clone();
        connections.fetch_add(1, Ordering::Relaxed);
        Place { thread, connections }
    }

    /// Sends a connection to the thread of its place.
    ///
    /// # Errors
    ///
    /// Returns the connection if that thread accepts no more.
    pub(super) fn give(&self, accepted: Accepted) -> Result<(), Accepted> {
        self.0[accepted.place.thread].queue.send(accepted).map_err(|refused| refused.0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
