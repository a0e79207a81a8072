//! Chunks that are handed over one after another, without the lock.
//!
//! A ring for one producer and one consumer: each has a count that only it changes, and a slot belongs to the producer until
//! it is pushed, and then to the consumer until it is taken. The writer has the one end; the other lies under the lock, for
//! whoever looks there at what was written.
#![allow(unsafe_code, reason = "this file owns the slots that both ends share")]

use bytes::Bytes;

use crate::sync::{Arc, AtomicUsize, Ordering, UnsafeCell};

/// A power of two, so that the counts may wrap around.
pub(super) const SLOTS: usize = if cfg!(pushpull_loom) { 2 } else { 64 };

/// The slots keep the two counts on cache lines apart.
#[derive(Debug)]
#[repr(C)]
struct Ring {
    /// How many were pushed in all. Wraps around.
    pushed: AtomicUsize,
    slots: [UnsafeCell<Option<Bytes>>; SLOTS],
    /// How many of them were taken.
    taken: AtomicUsize,
}

// SAFETY: a slot is used by `Vacancy::fill` and `Consumer::take` only. There is one producer and one consumer for a ring, which are
// borrowed mutably for that, and the counts tell their slots apart: those from `taken` to `pushed` are the consumer's, the others
// the producer's. `Bytes` is `Send`, so it may be taken or dropped on another thread.
unsafe impl Sync for Ring {}

/// The writer's end.
#[derive(Debug)]
pub(super) struct Producer {
    ring: Arc<Ring>,
    pushed: usize,
    /// At least so many were taken.
    taken: usize,
}

/// A vacant slot.
pub(super) struct Vacancy<'a>(&'a mut Producer);

/// The other end.
#[derive(Debug)]
pub(super) struct Consumer {
    ring: Arc<Ring>,
    taken: usize,
}

/// An empty ring's ends.
pub(super) fn ring() -> (Producer, Consumer) {
    let ring = Arc::new(Ring {
        pushed: AtomicUsize::new(0),
        slots: std::array::from_fn(|_| UnsafeCell::new(None)),
        taken: AtomicUsize::new(0),
    });
    (Producer { ring: ring.clone(), pushed: 0, taken: 0 }, Consumer { ring, taken: 0 })
}

impl Producer {
    /// The next slot, if it is known to be vacant.
    #[inline]
    pub(super) fn place(&mut self) -> Option<Vacancy<'_>> {
        (self.pushed.wrapping_sub(self.taken) < SLOTS).then_some(Vacancy(self))
    }

    /// Looks which slots are vacant again.
    pub(super) fn look(&mut self) {
        // ORDERING: acquire, the other half of the release in `take`: what is taken is out of its slot.
        self.taken = self.ring.taken.load(Ordering::Acquire);
    }
}

impl Vacancy<'_> {
    #[inline]
    pub(super) fn fill(self, bytes: Bytes) {
        let Vacancy(Producer { ring, pushed, .. }) = self;
        ring.slots[*pushed % SLOTS].with_mut(|slot| {
            // SAFETY: `Producer::place` has found that fewer than all slots are pushed and not taken, and nobody else pushes: so
            // this one, the next, is the producer's, which is borrowed mutably.
            unsafe { *slot = Some(bytes) };
        });
        *pushed = pushed.wrapping_add(1);
        // ORDERING: release, so that whoever sees the count sees the slot.
        ring.pushed.store(*pushed, Ordering::Release);
    }
}

impl Consumer {
    /// The next of those that have been pushed.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        // ORDERING: acquire, the other half of the release in `fill`.
        if self.taken == self.ring.pushed.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: this slot is pushed and not taken, so it is the consumer's; and this is the only one, borrowed mutably.
        let bytes = self.ring.slots[self.taken % SLOTS].with_mut(|slot| unsafe { (*slot).take() });
        self.taken = self.taken.wrapping_add(1);
        // ORDERING: release, so that a producer that sees the count finds the slot empty.
        self.ring.taken.store(self.taken, Ordering::Release);
        bytes
    }
}

#[cfg(all(test, not(pushpull_loom)))]
mod tests {
    use std::iter::from_fn;
    use std::thread;

    use super::*;

    fn number(bytes: Bytes) -> u64 {
        u64::from_be_bytes(bytes[..].try_into().unwrap())
    }

    #[test]
    fn it_is_full_after_so_many_and_goes_on_where_it_was_emptied() {
        let (mut producer, mut consumer) = ring();
        let mut push = |value: u64| {
            producer.look();
            producer.place().map(|place| place.fill(value.to_be_bytes().to_vec().into())).is_some()
        };
        for round in 0..3 {
            let first = round * SLOTS as u64;
            assert!((0..SLOTS as u64).all(|slot| push(first + slot)));
            assert!(!push(7), "every slot is taken up");
            assert_eq!(consumer.take().map(number), Some(first));
            assert!(push(first + SLOTS as u64));
            assert_eq!(consumer.take().map(number), Some(first + 1));
            from_fn(|| consumer.take()).for_each(drop);
        }
    }

    #[test]
    fn what_one_thread_pushes_another_takes_in_order() {
        let (mut producer, mut consumer) = ring();
        let total = if cfg!(miri) { 200 } else { 100_000 };
        let taker = thread::spawn(move || {
            for expected in 0..total {
                let bytes = loop {
                    match consumer.take() {
                        Some(bytes) => break bytes,
                        None => thread::yield_now(),
                    }
                };
                assert_eq!(number(bytes), expected);
            }
        });
        for number in 0..total {
            let place = loop {
                match producer.place() {
                    Some(place) => break place,
                    None => {
                        producer.look();
                        thread::yield_now();
                    }
                }
            };
            place.fill(number.to_be_bytes().to_vec().into());
        }
        taker.join().unwrap();
    }

    #[test]
    fn what_nobody_took_is_dropped_with_both_ends() {
        let bytes = Bytes::from(vec![7; 8]);
        let (mut producer, mut consumer) = ring();
        for _ in 0..3 {
            producer.place().unwrap().fill(bytes.clone());
        }
        drop(consumer.take());
        drop(consumer);
        assert!(!bytes.is_unique(), "two are in it");
        drop(producer);
        assert!(bytes.is_unique());
    }
}
