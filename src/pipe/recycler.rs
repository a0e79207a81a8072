//! The memory of segments that are done with, kept for the next ones of any bridge.
//!
//! A fresh 64 KiB buffer costs 25 µs of page faults, a recycled one 3.5. And it matters *which* is recycled: the one that
//! was dropped last still lies in the cache of the puller's core, from which every line has to be fetched back before it
//! can be written. The oldest of some megabytes has left it. But where the puller runs on the writer's own core, what it
//! dropped last is the best there is. See `DESIGN.md`, "Why is the oldest memory recycled?".

use std::array;
use std::collections::VecDeque;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::processor;

/// Smaller memory is left to the allocator, which is as fast.
const LEAST: usize = 4 << 10;

/// Sizes are rounded up to a power of two, from `LEAST` to 256 MiB.
const CLASSES: usize = 17;

/// How many bytes of a size rotate: more than a core's own cache holds.
const ROTATION: usize = 4 << 20;

/// How many bytes of all sizes are kept at the most.
const MOST_KEPT: usize = 16 << 20;

type Spare = Mutex<VecDeque<Used>>;

struct Used {
    memory: Vec<u8>,
    /// Where it was dropped, if that is known.
    by: Option<u32>,
}

static SPARE: LazyLock<[Spare; CLASSES]> = LazyLock::new(|| array::from_fn(|_| Spare::default()));

static KEPT: AtomicUsize = AtomicUsize::new(0);

/// An empty `Vec` with room for `capacity` bytes.
pub(super) fn take(capacity: usize) -> Vec<u8> {
    take_on(processor::current(), capacity)
}

/// Keeps `vec`, which is empty, if there is room.
pub(super) fn give(vec: Vec<u8>) {
    give_on(processor::current(), vec);
}

fn take_on(processor: Option<u32>, capacity: usize) -> Vec<u8> {
    let size = capacity.next_power_of_two();
    let Some(spare) = class(size) else { return Vec::with_capacity(capacity) };
    let mut spare = spare.lock();
    let near = spare.back().is_some_and(|last| last.by.is_some() && last.by == processor);
    let used = match near {
        true => spare.pop_back(),
        false if spare.len().saturating_mul(size) >= ROTATION => spare.pop_front(),
        false => None,
    };
    if let Some(used) = used {
        KEPT.fetch_sub(size, Ordering::Relaxed);
        return used.memory;
    }
    drop(spare);
    Vec::with_capacity(size)
}

fn give_on(processor: Option<u32>, vec: Vec<u8>) {
    let size = vec.capacity();
    if let Some(spare) = class(size)
        && KEPT.load(Ordering::Relaxed) + size <= MOST_KEPT
    {
        KEPT.fetch_add(size, Ordering::Relaxed);
        spare.lock().push_back(Used { memory: vec, by: processor });
    }
}

/// Where memory of this size is kept, if it is.
fn class(size: usize) -> Option<&'static Spare> {
    let class = size.is_power_of_two().then(|| size.checked_div(LEAST))??.checked_ilog2()?;
    SPARE.get(class as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A size that nothing else in this test binary uses.
    const SIZE: usize = 1 << 20;

    const ONE: Option<u32> = Some(1);
    const OTHER: Option<u32> = Some(2);

    #[test]
    fn the_oldest_memory_is_recycled_and_little_of_it_is_kept() {
        let count = ROTATION / SIZE;
        let places: Vec<_> = (0..count)
            .map(|_| take_on(ONE, SIZE - 1))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|vec| {
                let place = vec.as_ptr() as usize;
                give_on(ONE, vec);
                place
            })
            .collect();
        let first = take_on(OTHER, SIZE);
        assert_eq!(first.as_ptr() as usize, places[0]);
        assert!(!places.contains(&(take_on(OTHER, SIZE).as_ptr() as usize)), "memory came back before its turn");
        let last = take_on(ONE, SIZE);
        assert_eq!(last.as_ptr() as usize, places[count - 1], "it lies in this processor's cache");
        (0..2 * MOST_KEPT / SIZE).for_each(|_| give(Vec::with_capacity(SIZE)));
        assert!(KEPT.load(Ordering::Relaxed) <= MOST_KEPT);
    }

    #[test]
    fn odd_sizes_are_left_to_the_allocator() {
        assert!(class(LEAST - 1).is_none() && class(LEAST + 1).is_none() && class(1).is_none() && class(0).is_none());
        assert!(class(LEAST).is_some() && class(LEAST << (CLASSES - 1)).is_some() && class(LEAST << CLASSES).is_none());
        assert_eq!(take(100).capacity(), 100);
        assert_eq!(take(0).capacity(), 0);
    }
}
