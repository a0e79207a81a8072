//! How many programs run, how many may, and their common end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::StatusCode;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::cgi::refusal::{Refusal, status_of};

/// The programs of one script and its clones.
#[derive(Debug)]
pub(crate) struct Programs {
    permits: Arc<Semaphore>,
    running: AtomicUsize,
    stopping: AtomicBool,
    /// To all that run.
    stop: Notify,
    /// The last one has gone.
    idle: Notify,
}

/// The right to run one program. It travels in the extensions of a local redirect and of the request that follows it, so
/// that a redirect needs no second one.
#[derive(Debug, Clone)]
pub(crate) struct Permit {
    /// Shared by the clones of a request's extensions, and given back with the last.
    _permit: Arc<OwnedSemaphorePermit>,
    programs: Arc<Programs>,
}

/// A program runs as long as this is there.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Programs>);

impl Programs {
    pub(crate) fn new(most: usize) -> Arc<Programs> {
        Arc::new(Programs {
            permits: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            running: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            stop: Notify::new(),
            idle: Notify::new(),
        })
    }

    /// A permit for one more program: the one that is `held`, if it is one of these.
    ///
    /// # Errors
    ///
    /// 503, at once, when as many run as may.
    pub(crate) fn permit(self: &Arc<Programs>, held: Option<Permit>) -> Result<Permit, Refusal> {
        if let Some(permit) = held.filter(|permit| Arc::ptr_eq(&permit.programs, self)) {
            return Ok(permit);
        }
        match self.permits.clone().try_acquire_owned() {
            Ok(permit) => Ok(Permit { _permit: Arc::new(permit), programs: self.clone() }),
            Err(_) => Err(full()),
        }
    }

    /// Refuses early what would be refused later.
    pub(crate) fn check_room(&self) -> Result<(), Refusal> {
        if self.permits.available_permits() == 0 { Err(full()) } else { Ok(()) }
    }

    /// Counts a program that is about to start.
    ///
    /// # Errors
    ///
    /// 503 when no more are to start.
    pub(crate) fn start(self: &Arc<Programs>) -> Result<Counted, Refusal> {
        // First counted, then looked: whoever stops them sees it, or is seen.
        self.running.fetch_add(1, Ordering::SeqCst);
        let counted = Counted(self.clone());
        if self.is_stopping() {
            return Err(stopping());
        }
        Ok(counted)
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.stop.notify_waiters();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Told when all are to stop, from now on: look at [`is_stopping`](Programs::is_stopping) after it was made.
    pub(crate) fn stopped(&self) -> Notified<'_> {
        self.stop.notified()
    }

    pub(crate) async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.running.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

/// Returns `true` if the system has no room for one more program or connection, which passes.
pub(crate) fn is_full(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAGAIN) || status_of(error) == StatusCode::SERVICE_UNAVAILABLE
}

fn full() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "as many programs run as may run at the same time")
}

pub(crate) fn stopping() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping")
}
