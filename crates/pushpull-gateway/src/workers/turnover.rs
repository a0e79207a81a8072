//! Counts the requests of workers, so that they can be replaced after a number of them.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// The requests of the workers of one socket.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    ended: AtomicU64,
    /// Notifies that a request has ended.
    changed: Notify,
    /// Held by each request. No request begins while a worker has it to itself.
    gate: Arc<RwLock<()>>,
}

/// A request that runs.
#[derive(Debug)]
pub(crate) struct Entered {
    requests: Arc<Requests>,
    pass: Option<OwnedRwLockReadGuard<()>>,
}

impl Requests {
    /// Counts a request, once no worker is being replaced that could lose it.
    pub(crate) async fn enter(self: Arc<Requests>) -> Entered {
        let pass = self.gate.clone().read_owned().await;
        Entered { requests: self, pass: Some(pass) }
    }

    /// Returns the number of requests that have ended.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Waits until this number of requests has ended.
    pub(super) async fn reach(&self, number: u64) {
        self.when(|| (self.ended() >= number).then_some(())).await;
    }

    /// Waits for a moment without requests. None begins while the guard is held.
    pub(super) async fn none(&self) -> OwnedRwLockWriteGuard<()> {
        self.when(|| self.gate.clone().try_write_owned().ok()).await
    }

    /// Waits until the end of a request makes `ask` return something.
    async fn when<T>(&self, mut ask: impl FnMut() -> Option<T>) -> T {
        loop {
            let mut changed = pin!(self.changed.notified());
            // A request that ends after the question is noticed.
            changed.as_mut().enable();
            if let Some(answer) = ask() {
                return answer;
            }
            poll_fn(|context| changed.as_mut().poll(context)).await;
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.requests.ended.fetch_add(1, Ordering::Relaxed);
        self.pass = None;
        self.requests.changed.notify_waiters();
    }
}
