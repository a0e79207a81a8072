//! Processes that `fork`: what a child must not take over from its parent.
//!
//! A child has the parent's memory and only the thread that called `fork`. Idle threads, workers and programs of the
//! parent are not there, and a lock that another thread held stays locked. So state that threads share is kept for each
//! process apart: a child begins with its own, and leaves the parent's where it is. Nothing of that is freed in the
//! child, since what lies there may be half changed, and wake-ups of threads that are gone may still refer to it.
#![allow(
    unsafe_code,
    reason = "pthread_atfork is a bare system call, and a value that is replaced lies behind a pointer"
)]

use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

#[cfg(all(unix, not(any(miri, pushpull_loom))))]
use crate::runtime::coroutine;

/// Counts the forks between the first process and this one.
static PROCESS: AtomicU32 = AtomicU32::new(1);

/// Returns the number of this process: another than the parent's in a child, and never zero.
#[inline]
pub(crate) fn process() -> u32 {
    #[cfg(all(unix, not(any(miri, pushpull_loom))))]
    hook::install();
    PROCESS.load(Ordering::Relaxed)
}

/// Returns `true` if this is a number of the parent. Zero is none.
#[inline]
pub(crate) fn is_past(process: u32) -> bool {
    process != 0 && process != PROCESS.load(Ordering::Relaxed)
}

/// The system calls the child's half of every `fork` here.
#[cfg(all(unix, not(any(miri, pushpull_loom))))]
mod hook {
    use std::sync::atomic::AtomicBool;

    use super::*;

    static INSTALLED: AtomicBool = AtomicBool::new(false);

    #[inline]
    pub(super) fn install() {
        if !INSTALLED.load(Ordering::Acquire) {
            install_now();
        }
    }

    /// Threads that are the first at the same time install it more than once, which does no harm; none waits for another.
    #[cold]
    fn install_now() {
        // SAFETY: the function that is called in a child lives as long as this library, touches only atomics and plain
        // thread-locals, and does not unwind. If the system has no memory for it, children are as they were without it.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        INSTALLED.store(true, Ordering::Release);
    }

    unsafe extern "C" fn in_child() {
        PROCESS.store(PROCESS.load(Ordering::Relaxed).wrapping_add(1).max(1), Ordering::Relaxed);
        coroutine::stay();
    }
}

/// A value of which each process has its own. Getting it never waits for another thread.
#[derive(Debug)]
pub(crate) struct PerProcess<T> {
    current: AtomicPtr<Owned<T>>,
    owns: PhantomData<T>,
}

struct Owned<T> {
    process: u32,
    value: T,
}

impl<T: Send + Sync> PerProcess<T> {
    pub(crate) const fn new() -> PerProcess<T> {
        PerProcess { current: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
    }

    /// Returns this process's value, after making it if there is none. If several threads make one at the same time, the
    /// first stays and the others are dropped.
    #[inline]
    pub(crate) fn get(&self, make: impl FnOnce() -> T) -> &T {
        match self.peek() {
            Some(value) => value,
            None => self.put(make()),
        }
    }

    /// Returns this process's value, if there is one.
    #[inline]
    pub(crate) fn peek(&self) -> Option<&T> {
        // ORDERING: acquire, the other half of the release in `put`: the value is seen whole.
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: null, or a value that `put` made from a box. One of this process is freed only in `drop`, which has
        // `self` for itself; one of the parent never.
        let owned = unsafe { current.as_ref() }?;
        (owned.process == process()).then_some(&owned.value)
    }

    #[cold]
    fn put(&self, value: T) -> &T {
        let process = process();
        let fresh = Box::into_raw(Box::new(Owned { process, value }));
        let mut seen = self.current.load(Ordering::Acquire);
        loop {
            // SAFETY: as in `peek`.
            if let Some(owned) = unsafe { seen.as_ref() }.filter(|owned| owned.process == process) {
                // SAFETY: made from a box above, and not given to anyone.
                drop(unsafe { Box::from_raw(fresh) });
                return &owned.value;
            }
            // ORDERING: release, so that whoever sees the pointer sees the value.
            match self.current.compare_exchange(seen, fresh, Ordering::AcqRel, Ordering::Acquire) {
                // SAFETY: made from a box above; freed as `peek` says.
                Ok(_) => return unsafe { &(*fresh).value },
                Err(now) => seen = now,
            }
        }
    }
}

impl<T> Drop for PerProcess<T> {
    /// Drops this process's value. The parent's stays, locked or half changed as it may be.
    fn drop(&mut self) {
        let current = *self.current.get_mut();
        // SAFETY: null, or made from a box in `put`, and nobody else has `self`.
        if unsafe { current.as_ref() }.is_some_and(|owned| !is_past(owned.process)) {
            // SAFETY: as above; this is the only place that frees it.
            drop(unsafe { Box::from_raw(current) });
        }
    }
}

#[cfg(all(test, not(pushpull_loom)))]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn all_threads_get_one_value_and_it_is_dropped_once() {
        let made = Arc::new(());
        let value = PerProcess::<(Arc<()>, usize)>::new();
        assert!(value.peek().is_none());
        let places: Vec<_> = thread::scope(|scope| {
            let get = |number| (value.get(|| (made.clone(), number)) as *const (Arc<()>, usize)).addr();
            let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || get(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(places.iter().all(|place| *place == places[0]));
        assert_eq!(Arc::strong_count(&made), 2);
        drop(value);
        assert_eq!(Arc::strong_count(&made), 1);
    }
}
