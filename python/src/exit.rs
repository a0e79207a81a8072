//! Waits without the interpreter lock, and what becomes of a waiting thread when the interpreter ends.
//!
//! CPython ends a thread that asks for the interpreter lock while the interpreter is finalized by `pthread_exit`, which aborts
//! the process if a frame of Rust lies on the thread's stack. PyO3 lets no thread return from its own request then, but it does not
//! know of one in Python code that was called from Rust. So `atexit` sets a mark. After it a thread that comes back from a wait, or is
//! about to call Python code, stays where it is. The mark waits for the threads that passed before it.
//!
//! Functions of `atexit` that were registered earlier run after the mark. While the thread that runs them waits here, the
//! interpreter cannot be finalized, and the other threads may go on.

use std::cell::RefCell;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// How long the end of the interpreter waits for threads that are on their way back into it. They need the interpreter lock
/// for some microseconds; only a callback of the program can take longer.
const PATIENCE: Duration = Duration::from_secs(1);

static EXIT: Mutex<Exit> = Mutex::new(Exit { leaver: None, leaver_waits: false, inside: 0 });
static CHANGED: Condvar = Condvar::new();

struct Exit {
    /// The thread that ends the interpreter, once it does.
    leaver: Option<ThreadId>,
    /// Whether that thread is in a wait of this module.
    leaver_waits: bool,
    /// How many threads are on their way back into the interpreter, or in Python code that was called from here.
    inside: usize,
}

impl Exit {
    fn admits(&self) -> bool {
        self.leaver.is_none_or(|leaver| self.leaver_waits || leaver == thread::current().id())
    }
}

fn lock() -> MutexGuard<'static, Exit> {
    EXIT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the interpreter from being finalized, for a moment.
pub(crate) struct Inside(());

impl Inside {
    fn new(exit: &mut Exit) -> Inside {
        exit.inside += 1;
        Inside(())
    }

    /// Waits until the interpreter may be entered: forever, if it is being finalized.
    fn enter() -> Inside {
        let mut exit = lock();
        while !exit.admits() {
            exit = CHANGED.wait(exit).unwrap_or_else(PoisonError::into_inner);
        }
        Inside::new(&mut exit)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let mut exit = lock();
        exit.inside -= 1;
        if exit.inside == 0 && exit.leaver.is_some() {
            drop(exit);
            CHANGED.notify_all();
        }
    }
}

/// Calls `wait` without the interpreter lock.
pub(crate) fn detached<T: Send>(py: Python<'_>, wait: impl FnOnce() -> T + Send) -> T {
    let (result, inside) = py.detach(|| {
        let leaves = lock().leaver == Some(thread::current().id());
        if leaves {
            lock().leaver_waits = true;
            CHANGED.notify_all();
        }
        let result = wait();
        if leaves {
            let mut exit = lock();
            exit.leaver_waits = false;
            settle(exit);
        }
        (result, Inside::enter())
    });
    drop(inside);
    result
}

/// To be held while Python code is called from Rust: frames of Rust lie below it.
pub(crate) fn calling(py: Python<'_>) -> Inside {
    loop {
        let mut exit = lock();
        if exit.admits() {
            return Inside::new(&mut exit);
        }
        drop(exit);
        detached(py, || ());
    }
}

/// Waits until no thread is inside.
fn settle(mut exit: MutexGuard<'_, Exit>) {
    let deadline = Instant::now() + PATIENCE;
    while exit.inside > 0 {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        (exit, _) = CHANGED.wait_timeout(exit, left).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Sets the mark. To be called by `atexit`.
#[pyfunction]
#[pyo3(name = "_leave")]
pub(crate) fn leave(py: Python<'_>) {
    py.detach(|| {
        let mut exit = lock();
        exit.leaver = Some(thread::current().id());
        settle(exit);
    });
}

thread_local! {
    /// The lock of `EXIT`, from before a fork until after it.
    static FORKING: RefCell<Option<MutexGuard<'static, Exit>>> = const { RefCell::new(None) };
}

/// Takes the lock, so that no thread holds it that the child will not have. To be called before a fork.
#[pyfunction]
#[pyo3(name = "_before_fork")]
pub(crate) fn before_fork() {
    let exit = lock();
    FORKING.with(|forking| forking.replace(Some(exit)));
}

/// Gives the lock back. To be called after a fork in the parent.
#[pyfunction]
#[pyo3(name = "_after_fork_in_parent")]
pub(crate) fn after_fork_in_parent() {
    FORKING.with(RefCell::take);
}

/// Forgets the parent's other threads, and gives the lock back. To be called after a fork in the child.
#[pyfunction]
#[pyo3(name = "_after_fork_in_child")]
pub(crate) fn after_fork_in_child() {
    if let Some(mut exit) = FORKING.with(RefCell::take) {
        *exit = Exit { leaver: None, leaver_waits: false, inside: 0 };
    }
}
