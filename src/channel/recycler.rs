//! The blocks of dropped segments, kept for the next segments of any bridge.
//!
//! A fresh 64 KiB buffer costs 25 µs of page faults, a recycled one 3.5 µs. It also matters *which* block is recycled.
//! The block that was dropped last still lies in the cache of the reader's core. Each of its lines must be fetched back
//! before it can be written. The oldest of several MiB has left that cache. But if the reader runs on the writer's
//! own core, the block dropped last is the best. See
//! `docs/design/channel-reasons.md`, "Why is the oldest memory recycled?".

use std::collections::VecDeque;

use parking_lot::{Mutex, MutexGuard};

use super::segment::Block;
use crate::sync::Arc;
use crate::sys::fork::PerProcess;
use crate::sys::processor;

/// The minimum size kept. For smaller memory, the allocator is as fast.
const MIN_KEPT: usize = 4 << 10;

/// The number of size classes: the powers of two from `MIN_KEPT` to `MAX_KEPT`, to which sizes are rounded up.
const CLASSES: usize = 13;

/// The number of bytes, of any size, that are dropped before a block is reused: more than a core's own cache holds.
const ROTATION: u64 = 4 << 20;

/// The maximum number of bytes kept, of all sizes.
const MAX_KEPT: usize = 16 << 20;

static SPARE: PerProcess<Mutex<SpareBlocks<Arc<Block>>>> = PerProcess::new();

/// Returns the size of a block for `capacity` bytes.
pub(super) fn size(capacity: usize) -> usize {
    let size = capacity.next_power_of_two();
    if class(size).is_some() { size } else { capacity }
}

/// Takes an unshared block of `size(capacity)` bytes, if one can be reused now.
pub(super) fn take(capacity: usize) -> Option<Arc<Block>> {
    let size = size(capacity);
    let class = class(size)?;
    spare().take(class, size, processor::current())
}

/// Keeps `block`, which must not be shared, if there is room.
pub(super) fn give(block: Arc<Block>) {
    let size = block.size();
    let Some(class) = class(size) else { return };
    let rest = spare().give(class, size, block, processor::current());
    drop(rest);
}

fn spare() -> MutexGuard<'static, SpareBlocks<Arc<Block>>> {
    SPARE.get(|| Mutex::new(SpareBlocks::new())).lock()
}

/// Returns the class in which memory of this size is kept, if it is kept.
fn class(size: usize) -> Option<usize> {
    let class = size.is_power_of_two().then(|| size.checked_div(MIN_KEPT))??.checked_ilog2()? as usize;
    (class < CLASSES).then_some(class)
}

/// The blocks that are kept.
struct SpareBlocks<M> {
    of_class: [VecDeque<Used<M>>; CLASSES],
    bytes: usize,
    /// The total number of bytes dropped.
    dropped: u64,
}

struct Used<M> {
    memory: M,
    /// The processor on which the memory was dropped, if known.
    by: Option<u32>,
    /// The total number of bytes dropped before.
    before: u64,
}

impl<M> SpareBlocks<M> {
    const fn new() -> SpareBlocks<M> {
        SpareBlocks { of_class: [const { VecDeque::new() }; CLASSES], bytes: 0, dropped: 0 }
    }

    fn take(&mut self, class: usize, size: usize, processor: Option<u32>) -> Option<M> {
        let spare = &mut self.of_class[class];
        let near = spare.back().is_some_and(|last| last.by.is_some() && last.by == processor);
        let used = match near {
            true => spare.pop_back(),
            false if spare.front().is_some_and(|oldest| self.dropped - oldest.before >= ROTATION) => spare.pop_front(),
            false => None,
        }?;
        self.bytes -= size;
        Some(used.memory)
    }

    /// Keeps `memory`, or returns it if there is no room.
    fn give(&mut self, class: usize, size: usize, memory: M, by: Option<u32>) -> Option<M> {
        let before = self.dropped;
        self.dropped += size as u64;
        if self.bytes + size > MAX_KEPT {
            return Some(memory);
        }
        self.bytes += size;
        self.of_class[class].push_back(Used { memory, by, before });
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 1 << 20;
    const ONE: Option<u32> = Some(1);
    const OTHER: Option<u32> = Some(2);

    #[test]
    fn the_oldest_memory_is_recycled_unless_the_last_is_near() {
        let class = class(SIZE).unwrap();
        let count = ROTATION as usize / SIZE;
        let mut spare = SpareBlocks::new();
        (1..count).for_each(|name| assert_eq!(spare.give(class, SIZE, name, ONE), None));
        assert_eq!(spare.take(class, SIZE, OTHER), None, "it came back before its turn");
        spare.give(class, SIZE, count, ONE);
        assert_eq!(spare.take(class, SIZE, OTHER), Some(1));
        assert_eq!(spare.take(class, SIZE, ONE), Some(count), "it lies in this processor's cache");
        assert_eq!(spare.take(class, SIZE, None), None);
    }

    #[test]
    fn sizes_take_turns_together() {
        let (small, large) = (class(SIZE).unwrap(), class(2 * SIZE).unwrap());
        let mut spare = SpareBlocks::new();
        spare.give(small, SIZE, 1, ONE);
        spare.give(large, 2 * SIZE, 2, ONE);
        assert_eq!(spare.take(small, SIZE, OTHER), None);
        spare.give(large, 2 * SIZE, 3, ONE);
        assert_eq!(spare.take(small, SIZE, OTHER), Some(1), "more than a cache was dropped after it");
        assert_eq!(spare.take(large, 2 * SIZE, OTHER), Some(2));
        assert_eq!(spare.take(large, 2 * SIZE, OTHER), None);
    }

    #[test]
    fn the_bytes_kept_are_bounded() {
        let class = class(SIZE).unwrap();
        let mut spare = SpareBlocks::new();
        let kept = (0..100).filter(|name| spare.give(class, SIZE, *name, None).is_none()).count();
        assert_eq!(kept, MAX_KEPT / SIZE);
        assert_eq!(spare.take(class, SIZE, None), Some(0));
        assert_eq!(spare.give(class, SIZE, 0, None), None);
    }

    #[test]
    fn odd_sizes_are_left_to_the_allocator() {
        assert!(
            class(MIN_KEPT - 1).is_none() && class(MIN_KEPT + 1).is_none() && class(1).is_none() && class(0).is_none()
        );
        assert!(
            class(MIN_KEPT).is_some()
                && class(MIN_KEPT << (CLASSES - 1)).is_some()
                && class(MIN_KEPT << CLASSES).is_none()
        );
        assert_eq!(
            (size(100), size(0), size(MIN_KEPT + 1), size(MIN_KEPT << CLASSES)),
            (100, 0, 2 * MIN_KEPT, MIN_KEPT << CLASSES)
        );
    }
}
