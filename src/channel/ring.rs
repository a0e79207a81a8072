//! A ring for chunks that are handed over one after another, without the lock.
//!
//! The ring has one producer and one consumer. Each has a count that only it changes. A slot belongs to the producer
//! until it is pushed, and then to the consumer until it is taken. The writer has the producer. The consumer lies under
//! the lock, for either side that looks at what was written.
//!
//! A ring costs memory, and beside one that is in use, a reader that sleeps pays for a barrier that the writer then need
//! not pay for. So the first chunks of a row are handed over under the lock. A row ends when anything else is written,
//! or when the reader has slept. The ring stays with the channel.
#![allow(unsafe_code, reason = "this file owns the slots that both ends share")]

use bytes::Bytes;

use crate::sync::{Arc, AtomicUsize, Ordering, UnsafeCell};

/// The number of slots. A power of two, so that the counts may wrap around.
pub(super) const SLOTS: usize = if cfg!(pushpull_loom) { 2 } else { 64 };

/// The number of chunks of a row that are handed over under the lock.
const FIRST: usize = if cfg!(pushpull_loom) { 1 } else { 8 };

/// The slots lie between the two counts, to keep the counts on separate cache lines.
#[derive(Debug)]
#[repr(C)]
struct Ring {
    /// The total number of chunks pushed. Wraps around.
    pushed: AtomicUsize,
    slots: [UnsafeCell<Option<Bytes>>; SLOTS],
    /// The total number of chunks taken. Wraps around.
    taken: AtomicUsize,
}

// SAFETY: only `Vacancy::fill` and `Consumer::take` use a slot. A ring has one producer and one consumer, which are
// borrowed mutably for that. The counts tell their slots apart: those from `taken` to `pushed` are the consumer's, the
// others the producer's. `Bytes` is `Send`, so another thread may take or drop it.
unsafe impl Sync for Ring {}

/// The pushing end, which the writer has.
#[derive(Debug)]
pub(super) struct Producer {
    ring: Arc<Ring>,
    pushed: usize,
    /// The number of chunks known to be taken; the ring may count more.
    taken: usize,
}

/// A vacant slot.
pub(super) struct Vacancy<'a>(&'a mut Producer);

/// The taking end.
#[derive(Debug)]
pub(super) struct Consumer {
    ring: Arc<Ring>,
    taken: usize,
}

/// Creates the ends of an empty ring.
pub(super) fn ring() -> (Producer, Consumer) {
    let ring = Arc::new(Ring {
        pushed: AtomicUsize::new(0),
        slots: std::array::from_fn(|_| UnsafeCell::new(None)),
        taken: AtomicUsize::new(0),
    });
    (Producer { ring: ring.clone(), pushed: 0, taken: 0 }, Consumer { ring, taken: 0 })
}

impl Producer {
    /// Returns the next slot, if it is known to be vacant.
    #[inline]
    pub(super) fn place(&mut self) -> Option<Vacancy<'_>> {
        (self.pushed.wrapping_sub(self.taken) < SLOTS).then_some(Vacancy(self))
    }

    /// Updates the number of chunks known to be taken.
    pub(super) fn look(&mut self) {
        // ORDERING: acquire, pairs with the release in `take`: a taken chunk is out of its slot.
        self.taken = self.ring.taken.load(Ordering::Acquire);
    }
}

impl Vacancy<'_> {
    #[inline]
    pub(super) fn fill(self, bytes: Bytes) {
        let Vacancy(Producer { ring, pushed, .. }) = self;
        ring.slots[*pushed % SLOTS].with_mut(|slot| {
            // SAFETY: `Producer::place` has found fewer chunks pushed and not taken than there are slots, and no other
            // code pushes. So the next slot is the producer's, which is borrowed mutably.
            unsafe { *slot = Some(bytes) };
        });
        *pushed = pushed.wrapping_add(1);
        // ORDERING: release, so that a consumer that sees the count sees the slot.
        ring.pushed.store(*pushed, Ordering::Release);
    }
}

impl Consumer {
    /// Takes the next chunk that was pushed.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        // ORDERING: acquire, pairs with the release in `fill`.
        if self.taken == self.ring.pushed.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: this slot is pushed and not taken, so it is the consumer's. This is the only consumer, borrowed
        // mutably.
        let bytes = self.ring.slots[self.taken % SLOTS].with_mut(|slot| unsafe { (*slot).take() });
        self.taken = self.taken.wrapping_add(1);
        // ORDERING: release, so that a producer that sees the count finds the slot empty.
        self.ring.taken.store(self.taken, Ordering::Release);
        bytes
    }
}

/// Decides when handed-over chunks go through the ring: after several in a row.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// The number of chunks handed over under the lock since the row began.
    locked: usize,
    /// Whether chunks may go into the ring.
    open: bool,
    /// `None` before the first row that was long enough.
    producer: Option<Producer>,
}

impl Row {
    /// Returns a free place in the ring, if chunks may go there and one is known.
    #[inline]
    pub(super) fn place(&mut self) -> Option<Vacancy<'_>> {
        match &mut self.producer {
            Some(producer) if self.open => producer.place(),
            _ => None,
        }
    }

    /// Counts a chunk handed over under the lock. Returns `true` if the next may go into the ring.
    pub(super) fn count(&mut self) -> bool {
        self.locked += 1;
        if self.open
            && let Some(producer) = &mut self.producer
        {
            // The lock's holder has emptied the ring. Until the next look, the ring takes only as many chunks as it has
            // slots, even if the reader empties slots: the queue had room for that many.
            producer.look();
        }
        self.locked >= FIRST && !self.open
    }

    /// Lets chunks go into the ring from here on. Returns the ring's other end when the ring is new.
    pub(super) fn begin(&mut self) -> Option<Consumer> {
        self.open = true;
        if let Some(producer) = &mut self.producer {
            producer.look();
            return None;
        }
        let (producer, consumer) = ring();
        self.producer = Some(producer);
        Some(consumer)
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Ends the row. The next chunks are handed over under the lock.
    pub(super) fn end(&mut self) {
        (self.locked, self.open) = (0, false);
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
    fn a_ring_is_full_when_all_slots_are_taken_up_and_reuses_emptied_slots() {
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
    fn chunks_that_were_not_taken_are_dropped_with_both_ends() {
        let bytes = Bytes::from(vec![7; 8]);
        let (mut producer, mut consumer) = ring();
        for _ in 0..3 {
            producer.place().unwrap().fill(bytes.clone());
        }
        drop(consumer.take());
        drop(consumer);
        assert!(!bytes.is_unique(), "two chunks are in the ring");
        drop(producer);
        assert!(bytes.is_unique());
    }
}
