//! Counts and limits the running programs, and stops them together.

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
    /// Notifies all running programs to stop.
    stop: Notify,
    /// Notifies that the last program has ended.
    idle: Notify,
}

/// The permission to run one program. A local redirect carries it in its extensions, and so does the request that
/// follows: a redirect needs no second permit.
#[derive(Debug, Clone)]
pub(crate) struct Permit {
    /// Shared by the clones of a request's extensions, and released by the last.
    _permit: Arc<OwnedSemaphorePermit>,
    programs: Arc<Programs>,
}

/// A running program, counted until this value is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Programs>);

impl Programs {
    pub(crate) fn new(max: usize) -> Arc<Programs> {
        Arc::new(Programs {
            permits: Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))),
            running: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            stop: Notify::new(),
            idle: Notify::new(),
        })
    }

    /// Returns a permit for one more program: `held`, if it is one of these.
    ///
    /// # Errors
    ///
    /// Returns 503 at once if the maximum number of programs is running.
    pub(crate) fn permit(self: &Arc<Programs>, held: Option<Permit>) -> Result<Permit, Refusal> {
        if let Some(permit) = held.filter(|permit| Arc::ptr_eq(&permit.programs, self)) {
            return Ok(permit);
        }
        match self.permits.clone().try_acquire_owned() {
            Ok(permit) => Ok(Permit { _permit: Arc::new(permit), programs: self.clone() }),
            Err(_) => Err(full()),
        }
    }

    /// Returns the refusal of [`permit`](Programs::permit) early.
    pub(crate) fn check_room(&self) -> Result<(), Refusal> {
        if self.permits.available_permits() == 0 { Err(full()) } else { Ok(()) }
    }

    /// Counts a program that is about to start.
    ///
    /// # Errors
    ///
    /// Returns 503 if all programs are being stopped.
    pub(crate) fn start(self: &Arc<Programs>) -> Result<Counted, Refusal> {
        // Counts before it checks: either `stop` sees the program, or the program sees the stop.
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

    /// Returns a future that completes when all programs are to stop. Create it before you check
    /// [`is_stopping`](Programs::is_stopping), or a stop in between is missed.
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

/// Returns `true` if the system has, for now, no room for one more program or connection.
pub(crate) fn is_full(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAGAIN) || status_of(error) == StatusCode::SERVICE_UNAVAILABLE
}

fn full() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the maximum number of programs is running")
}

pub(crate) fn stopping() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping")
}
