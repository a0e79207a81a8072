//! Waiting on a thread of Python's: a poll, until it is ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::exit;

/// How often a wait on the main thread looks for signals, such as Ctrl-C. Python handles them on no other thread.
const SIGNALS: Duration = Duration::from_millis(50);

struct Parker {
    woken: AtomicBool,
    thread: Thread,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: what was done before the wake-up is seen by the poll after it.
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.thread.unpark();
        }
    }
}

impl Parker {
    /// Waits until it is woken. Returns `false` if `until` passed first.
    fn park(&self, until: Option<Instant>) -> bool {
        while !self.woken.swap(false, Ordering::AcqRel) {
            let Some(until) = until else {
                thread::park();
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            thread::park_timeout(left);
        }
        true
    }
}

thread_local! {
    static PARKER: Arc<Parker> = Arc::new(Parker { woken: AtomicBool::new(false), thread: thread::current() });
}

/// Returns `false` on threads that Python handles no signals on, as far as is known.
fn may_be_main() -> bool {
    #[cfg(target_os = "linux")]
    {
        rustix::thread::gettid() == rustix::process::getpid()
    }
    #[cfg(not(target_os = "linux"))]
    {
        true
    }
}

/// Waits until `poll` is ready, without the interpreter lock. Returns `None` if `timeout` passed first.
///
/// # Errors
///
/// Returns the exception of a signal's handler, such as `KeyboardInterrupt`. Nothing was polled after it.
pub(crate) fn until<T: Send>(
    py: Python<'_>,
    timeout: Option<Duration>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T> + Send,
) -> PyResult<Option<T>> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let looks = may_be_main();
    loop {
        let polled = exit::detached(py, || {
            let parker = PARKER.with(Arc::clone);
            let waker = Waker::from(parker.clone());
            let mut context = Context::from_waker(&waker);
            let look = looks.then(|| Instant::now() + SIGNALS);
            let until = [deadline, look].into_iter().flatten().min();
            loop {
                let polled = poll(&mut context);
                if polled.is_ready() || !parker.park(until) {
                    return polled;
                }
            }
        });
        if let Poll::Ready(value) = polled {
            return Ok(Some(value));
        }
        py.check_signals()?;
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(None);
        }
    }
}
