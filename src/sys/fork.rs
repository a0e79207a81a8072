//! State that the child of a `fork` must not take over from its parent.
//!
//! A child has the parent's memory, but only the thread that called `fork`. The parent's idle threads, workers and
//! programs do not run in the child, and a lock that another thread held stays locked. So shared state is kept per
//! process: a child starts with its own and leaves the parent's untouched. The child frees none of the parent's state:
//! it may be half changed, and wakers of missing threads may still refer to it.
#![allow(unsafe_code, reason = "pthread_atfork is a bare system call, and a replaced value is behind a pointer")]

use std::marker::PhantomData;
use std::ptr;
#[cfg(all(unix, not(any(miri, pushpull_loom))))]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// The number of forks between the first process and this one, plus one.
static PROCESS: AtomicU32 = AtomicU32::new(1);

/// Returns the number of this process. It is never zero, and differs between parent and child.
#[inline]
pub(crate) fn process() -> u32 {
    #[cfg(all(unix, not(any(miri, pushpull_loom))))]
    {
        static IS_SET: AtomicBool = AtomicBool::new(false);
        in_child(&IS_SET, count);
    }
    PROCESS.load(Ordering::Relaxed)
}

/// Returns `true` if `process` is the number of an earlier process. Zero stands for none.
#[inline]
pub(crate) fn is_past(process: u32) -> bool {
    process != 0 && process != PROCESS.load(Ordering::Relaxed)
}

#[cfg(all(unix, not(any(miri, pushpull_loom))))]
extern "C" fn count() {
    PROCESS.store(PROCESS.load(Ordering::Relaxed).wrapping_add(1).max(1), Ordering::Relaxed);
}

/// Has `handler` called in the child of every `fork`, on the thread that forked, unless `is_set` says that it already
/// is. The handler must be fit for a signal handler.
///
/// No thread waits here for another, which might not exist in a child. Threads that do this at the same time set the
/// handler more than once, so that it must be harmless to call twice.
#[cfg(all(unix, not(any(miri, pushpull_loom))))]
#[inline]
pub(crate) fn in_child(is_set: &'static AtomicBool, handler: extern "C" fn()) {
    if !is_set.load(Ordering::Acquire) {
        // SAFETY: a function lives as long as this library, takes nothing, and cannot unwind out of `extern "C"`. If the
        // system has no memory for it, a child behaves as without it.
        unsafe { libc::pthread_atfork(None, None, Some(handler)) };
        is_set.store(true, Ordering::Release);
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

    /// Returns this process's value, and makes it first if there is none. If several threads make one at the same time,
    /// the first is kept and the others are dropped.
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
        // ORDERING: acquire pairs with the release in `put`: the value is seen whole.
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: null, or a value that `put` made from a box. A value of this process is freed only in `drop`, which
        // has exclusive access. A value of the parent is never freed.
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
                // SAFETY: made from a box above, and not shared with any other thread.
                drop(unsafe { Box::from_raw(fresh) });
                return &owned.value;
            }
            // ORDERING: release, so that a thread that sees the pointer sees the value.
            match self.current.compare_exchange(seen, fresh, Ordering::AcqRel, Ordering::Acquire) {
                // SAFETY: made from a box above, and freed only as described in `peek`.
                Ok(_) => return unsafe { &(*fresh).value },
                Err(now) => seen = now,
            }
        }
    }
}

impl<T> Drop for PerProcess<T> {
    /// Drops this process's value. The parent's is leaked, because it may be locked or half changed.
    fn drop(&mut self) {
        let current = *self.current.get_mut();
        // SAFETY: null, or made from a box in `put`; `&mut self` is exclusive.
        if unsafe { current.as_ref() }.is_some_and(|owned| !is_past(owned.process)) {
            // SAFETY: as above; no other place frees it.
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
