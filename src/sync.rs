//! The locks and atomics under the channel: `parking_lot` and `std`, or `loom`'s in the model-checking build; and a cache
//! line of its own for something that one side reads all the time.

#[cfg(not(pushpull_loom))]
mod real {
    pub(crate) use parking_lot::{Mutex, MutexGuard};
    pub(crate) use std::sync::Arc;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering, fence};

    /// `std`'s cell with `loom`'s interface.
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
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering, fence};
    pub(crate) use loom::sync::{Arc, MutexGuard};

    /// `loom`'s mutex with `parking_lot`'s interface.
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

/// Most processors' cache line.
const LINE: usize = 64;

/// Something that a writer reads at every write, on a cache line that nobody writes to. By padding: memory that is aligned
/// to two lines costs an allocator more than all the rest of a channel.
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
