//! The locks and atomics of the channel: those of `parking_lot` and `std`, or of `loom` in the model-checking build.
//! Also padding for a value that one side reads all the time.

#[cfg(not(pushpull_loom))]
mod real {
    pub(crate) use parking_lot::{Mutex, MutexGuard};
    pub(crate) use std::sync::Arc;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};

    /// A cell of `std` with `loom`'s interface.
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            UnsafeCell(std::cell::UnsafeCell::new(value))
        }

        #[inline]
        pub(crate) fn with_mut<R>(&self, using: impl FnOnce(*mut T) -> R) -> R {
            using(self.0.get())
        }
    }
}

#[cfg(pushpull_loom)]
mod model {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
    pub(crate) use loom::sync::{Arc, MutexGuard};

    /// A mutex of `loom` with `parking_lot`'s interface.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("a model does not panic under a lock")
        }
    }
}

#[cfg(pushpull_loom)]
pub(crate) use model::*;
#[cfg(not(pushpull_loom))]
pub(crate) use real::*;

/// Orders what follows after everything that was done with the shares of `arc` that are dropped. To be called once their
/// number has shown that they are.
#[inline]
pub(crate) fn after_dropped_shares<T>(arc: &Arc<T>) {
    // ORDERING: acquire, pairs with the release of a drop.
    #[cfg(not(pushpull_tsan))]
    {
        let _ = arc;
        fence(Ordering::Acquire);
    }
    // The thread sanitizer sees no fences, but what `upgrade` does to the count.
    #[cfg(pushpull_tsan)]
    drop(Arc::downgrade(arc).upgrade());
}

/// The cache line size of most processors.
const LINE: usize = 64;

/// A value that a writer reads at every write, on a cache line that no thread writes to. The line is kept apart by
/// padding: memory aligned to two lines costs an allocator more than all the rest of a channel.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Apart<T> {
    _before: [u8; LINE],
    pub(crate) value: T,
    _after: [u8; LINE],
}

impl<T> Apart<T> {
    pub(crate) const fn new(value: T) -> Self {
        Apart { _before: [0; LINE], value, _after: [0; LINE] }
    }
}
