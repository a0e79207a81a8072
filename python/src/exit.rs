//! Waits without the interpreter lock, and what becomes of a waiting thread when the interpreter ends.
//!
//! CPython ends a thread that asks for the interpreter lock while the interpreter is finalized by `pthread_exit`, which aborts
//! the process if a frame of Rust lies on the thread's stack. PyO3 lets no thread return from its own request then, but it does not
//! know of one in Python code that was called from Rust. So `atexit` sets a mark. After it a thread that comes back from a wait, or is
//! about to call Python code, stays where it is. The mark waits for the threads that passed before it.
//!
//! Functions of `atexit` that were registered earlier run after the mark. While the thread that runs them waits here, the
//! interpreter cannot be finalized, and the other threads may go on.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// How long the end of the interpreter waits for threads that are on their way back into it. They need the interpreter lock
/// for some microseconds; only a callback of the program can take longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often that wait looks by itself: the last thread to leave may hold the interpreter lock, and must not wait for
/// another lock to tell of it.
const LOOK: Duration = Duration::from_millis(5);

// ORDERING: a thread raises `INSIDE` and then reads the two marks; the leaver sets a mark and then reads `INSIDE`. In one
// order of all of them, at least one of the two sees the other.
/// Whether a thread ends the interpreter: the mark.
static LEAVING: AtomicBool = AtomicBool::new(false);
/// Whether that thread is in a wait of this module.
static LEAVER_WAITS: AtomicBool = AtomicBool::new(false);
/// How many threads are on their way back into the interpreter, or in Python code that was called from here.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// For waits for a change of these. Only a thread without the interpreter lock waits for it, since the thread that holds it
/// during a fork may need the interpreter.
static LOCK: Mutex<()> = Mutex::new(());
static CHANGED: Condvar = Condvar::new();

thread_local! {
    /// Whether this thread is the leaver.
    static LEAVES: Cell<bool> = const { Cell::new(false) };
    /// The lock, from before a fork until after it.
    static FORKING: RefCell<Option<MutexGuard<'static, ()>>> = const { RefCell::new(None) };
}

fn lock() -> MutexGuard<'static, ()> {
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether this thread may enter the interpreter.
fn is_admitted() -> bool {
    !LEAVING.load(Ordering::SeqCst) || LEAVER_WAITS.load(Ordering::SeqCst) || LEAVES.get()
}

/// Keeps the interpreter from being finalized, for a moment.
pub(crate) struct Inside(());

impl Inside {
    /// Returns `None` if the interpreter is being finalized.
    fn admit() -> Option<Inside> {
        INSIDE.fetch_add(1, Ordering::SeqCst);
        let inside = Inside(());
        is_admitted().then_some(inside)
    }

    /// Waits until the interpreter may be entered: forever, if it is being finalized.
    fn enter() -> Inside {
        loop {
            if let Some(inside) = Inside::admit() {
                return inside;
            }
            let mut locked = lock();
            while !is_admitted() {
                locked = CHANGED.wait(locked).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if INSIDE.fetch_sub(1, Ordering::SeqCst) == 1 && LEAVING.load(Ordering::SeqCst) {
            CHANGED.notify_all();
        }
    }
}

/// Calls `wait` without the interpreter lock.
pub(crate) fn detached<T: Send>(py: Python<'_>, wait: impl FnOnce() -> T + Send) -> T {
    let (result, inside) = py.detach(|| {
        let leaves = LEAVES.get();
        if leaves {
            LEAVER_WAITS.store(true, Ordering::SeqCst);
            // A thread that has seen the old value waits by now.
            drop(lock());
            CHANGED.notify_all();
        }
        let result = wait();
        if leaves {
            LEAVER_WAITS.store(false, Ordering::SeqCst);
            settle();
        }
        (result, Inside::enter())
    });
    drop(inside);
    result
}

/// To be held while Python code is called from Rust: frames of Rust lie below it.
pub(crate) fn calling(py: Python<'_>) -> Inside {
    loop {
        if let Some(inside) = Inside::admit() {
            return inside;
        }
        detached(py, || ());
    }
}

/// Waits until no thread is inside.
fn settle() {
    let deadline = Instant::now() + PATIENCE;
    let mut locked = lock();
    while INSIDE.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
        (locked, _) = CHANGED.wait_timeout(locked, LOOK).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Sets the mark. To be called by `atexit`.
#[pyfunction]
#[pyo3(name = "_leave")]
pub(crate) fn leave(py: Python<'_>) {
    py.detach(|| {
        LEAVES.set(true);
        LEAVING.store(true, Ordering::SeqCst);
        settle();
    });
}

/// Takes the lock, so that no thread holds it that the child will not have. To be called before a fork.
#[pyfunction]
#[pyo3(name = "_before_fork")]
pub(crate) fn before_fork(py: Python<'_>) {
    // Without the interpreter lock: another thread may be about to fork, and run its other functions.
    py.detach(|| FORKING.set(Some(lock())));
}

/// Gives the lock back. To be called after a fork in the parent.
#[pyfunction]
#[pyo3(name = "_after_fork_in_parent")]
pub(crate) fn after_fork_in_parent() {
    FORKING.take();
}

/// Forgets the parent's other threads, and gives the lock back. To be called after a fork in the child.
#[pyfunction]
#[pyo3(name = "_after_fork_in_child")]
pub(crate) fn after_fork_in_child() {
    LEAVES.set(false);
    LEAVING.store(false, Ordering::SeqCst);
    LEAVER_WAITS.store(false, Ordering::SeqCst);
    INSIDE.store(0, Ordering::SeqCst);
    FORKING.take();
}
