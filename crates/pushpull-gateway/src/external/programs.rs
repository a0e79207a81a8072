//! Counts and limits the running programs and the requests that wait for one to end, and stops them together.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::limits::ProgramLimits;
use crate::cgi::refusal::{Refusal, status_of};

/// The programs of one script and its clones.
#[derive(Debug)]
pub(crate) struct Programs {
    /// Wakes waiting requests in the order of their arrival. A new request cannot overtake them.
    permits: Arc<Semaphore>,
    /// The number of waiting requests, its maximum, and how long each may wait.
    waiting: AtomicUsize,
    max_waiting: usize,
    wait_time: Duration,
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
    pub(crate) fn new(limits: &ProgramLimits) -> Arc<Programs> {
        Arc::new(Programs {
            permits: Arc::new(Semaphore::new(limits.get_max_programs().min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            max_waiting: limits.get_queue(),
            wait_time: limits.get_queue_timeout(),
            running: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            stop: Notify::new(),
            idle: Notify::new(),
        })
    }

    /// Returns a permit for one more program: `held`, if it is one of these. Waits for it if the maximum number of
    /// programs is running, until `leaving` completes.
    ///
    /// # Errors
    ///
    /// Returns 503 if the queue is full, if the time of waiting is over, or if the programs or their server are stopped.
    pub(crate) async fn permit(
        self: &Arc<Programs>,
        held: Option<Permit>,
        leaving: impl Future<Output = ()>,
    ) -> Result<Permit, Refusal> {
        if let Some(permit) = held.filter(|permit| Arc::ptr_eq(&permit.programs, self)) {
            return Ok(permit);
        }
        let permit = match self.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait(leaving).await?,
        };
        Ok(Permit { _permit: Arc::new(permit), programs: self.clone() })
    }

    async fn wait(&self, leaving: impl Future<Output = ()>) -> Result<OwnedSemaphorePermit, Refusal> {
        let place = QueuePlace::take(self).ok_or_else(|| self.full())?;
        let (mut stopped, mut leaving) = (pin!(self.stopped()), pin!(leaving));
        if self.is_stopping() {
            return Err(stopping());
        }
        let mut permit = pin!(timeout(self.wait_time, self.permits.clone().acquire_owned()));
        let waited = poll_fn(|context| {
            if stopped.as_mut().poll(context).is_ready() || leaving.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            permit.as_mut().poll(context).map(Some)
        });
        let waited = waited.await;
        drop(place);
        match waited {
            Some(Ok(Ok(permit))) => Ok(permit),
            Some(_) => Err(self.refuse("no program ended in time for a request in the queue")),
            None => Err(stopping()),
        }
    }

    /// Returns the refusal of [`permit`](Programs::permit) early.
    pub(crate) fn check_room(&self) -> Result<(), Refusal> {
        let has_room = self.permits.available_permits() > 0 || self.waiting() < self.max_waiting;
        if has_room { Ok(()) } else { Err(self.full()) }
    }

    fn full(&self) -> Refusal {
        self.refuse(match self.max_waiting {
            0 => "the maximum number of programs is running",
            _ => "the maximum number of programs is running, and the queue is full",
        })
    }

    /// Returns a refusal that asks the client to come back after the time that the queue takes.
    fn refuse(&self, reason: &str) -> Refusal {
        let time = if self.max_waiting == 0 { Duration::ZERO } else { self.wait_time };
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason).retry_after(time)
    }

    /// Returns the number of programs that run.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Returns the number of requests that wait for a program to end.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
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

/// A place in the queue, given up on drop.
struct QueuePlace<'a>(&'a Programs);

impl QueuePlace<'_> {
    fn take(programs: &Programs) -> Option<QueuePlace<'_>> {
        let free = |waiting| (waiting < programs.max_waiting).then_some(waiting + 1);
        programs.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok().map(|_| QueuePlace(programs))
    }
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn stopping() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping").retry_after(Duration::ZERO)
}
