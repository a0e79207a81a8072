//! The shutdown of a pool, with a timeout.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::Workers;
use crate::runtime::waker;

/// A future that shuts a pool down, returned by [`Pool::shutdown`](crate::Pool::shutdown).
///
/// Nothing happens before the first poll or [`wait`](Shutdown::wait), which blocks. If the future is dropped after
/// that, but before it is ready, the pool stays closed and its running programs are not stopped.
#[must_use = "the pool is shut down only when this is polled, or by `wait()`"]
pub struct Shutdown {
    workers: Arc<Workers>,
    timeout: Duration,
    progress: ShutdownStage,
}

enum ShutdownStage {
    Asked,
    Closed { deadline: Option<Instant>, clock: Option<Timer> },
}

/// The outcome of a pool's shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use = "programs may still be running"]
pub enum ShutdownOutcome {
    /// All programs have ended, and everything that they owned was dropped.
    Complete,
    /// The timeout passed first, and the remaining programs were stopped. Some may still have to notice.
    TimedOut,
}

impl ShutdownOutcome {
    /// Returns `true` if all programs have ended.
    pub fn is_complete(self) -> bool {
        self == ShutdownOutcome::Complete
    }
}

impl Shutdown {
    pub(super) fn new(workers: Arc<Workers>, timeout: Duration) -> Shutdown {
        Shutdown { workers, timeout, progress: ShutdownStage::Asked }
    }

    /// Waits until the pool is shut down. A program on another [`Pool`](crate::Pool) is suspended while it waits.
    ///
    /// # Caveats
    ///
    /// A program of the pool itself waits until the timeout, because it waits for its own end.
    pub fn wait(mut self) -> ShutdownOutcome {
        let deadline = self.close();
        match crate::runtime::wait::until_deadline(deadline, |context| self.workers.poll_gone(context)) {
            Ok(Some(())) => ShutdownOutcome::Complete,
            Ok(None) | Err(_) => self.end(),
        }
    }

    /// Closes the pool, once, and returns the deadline for its programs. `None` if the timeout is too long to
    /// represent.
    fn close(&mut self) -> Option<Instant> {
        match self.progress {
            ShutdownStage::Closed { deadline, .. } => deadline,
            ShutdownStage::Asked => {
                self.workers.close();
                let deadline = Instant::now().checked_add(self.timeout);
                self.progress = ShutdownStage::Closed { deadline, clock: None };
                deadline
            }
        }
    }

    fn end(&self) -> ShutdownOutcome {
        self.workers.end();
        ShutdownOutcome::TimedOut
    }
}

impl Future for Shutdown {
    type Output = ShutdownOutcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<ShutdownOutcome> {
        let deadline = self.close();
        if self.workers.poll_gone(context).is_ready() {
            return Poll::Ready(ShutdownOutcome::Complete);
        }
        let Some(deadline) = deadline else { return Poll::Pending };
        if Instant::now() >= deadline {
            return Poll::Ready(self.end());
        }
        let ShutdownStage::Closed { clock, .. } = &mut self.progress else { return Poll::Pending };
        match clock {
            Some(clock) => clock.set(context.waker()),
            None => match Timer::start(deadline, context.waker()) {
                Some(started) => *clock = Some(started),
                // Without a thread, the deadline cannot be kept: the programs are stopped now instead of late or never.
                None => return Poll::Ready(self.end()),
            },
        }
        Poll::Pending
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// A thread that wakes a task at a deadline. A worker cannot do this: it may be blocked by the very program to be
/// stopped.
struct Timer(Arc<TimerState>);

#[derive(Default)]
struct TimerState {
    waker: Mutex<Option<Waker>>,
    stopped: Condvar,
}

impl Timer {
    fn start(deadline: Instant, waker: &Waker) -> Option<Timer> {
        let face = Arc::new(TimerState { waker: Mutex::new(Some(waker.clone())), stopped: Condvar::new() });
        let own = face.clone();
        let ring = move || {
            let mut waker = own.waker.lock();
            // The waker is taken when the timer is dropped.
            while waker.is_some() && !own.stopped.wait_until(&mut waker, deadline).timed_out() {}
            let waker = waker.take();
            waker::wake(waker);
        };
        thread::Builder::new().name("pushpull-clock".to_owned()).stack_size(64 << 10).spawn(ring).ok()?;
        Some(Timer(face))
    }

    fn set(&self, waker: &Waker) {
        let mut kept = self.0.waker.lock();
        let before = waker::keep(&mut kept, waker);
        drop(kept);
        drop(before);
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let waker = self.0.waker.lock().take();
        self.0.stopped.notify_one();
        drop(waker);
    }
}
