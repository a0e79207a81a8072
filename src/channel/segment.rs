//! A block of memory that the writer fills while the reader already takes from its beginning.
//!
//! The writer copies bytes behind the published ones, then stores the new length. The reader loads the length, and
//! takes `Bytes` of what lies below it. Published bytes are not written again while they are shared, so both sides may
//! work at once. Each write costs the writer one store, and no lock.
#![allow(unsafe_code, reason = "this file owns the memory that both ends share")]

use std::fmt;
use std::mem::ManuallyDrop;

use bytes::Bytes;

use super::recycler;
use crate::sync::{self, Arc, AtomicUsize, Ordering};

#[cfg(not(pushpull_loom))]
use self::memory::{SegmentMemory, SegmentStart};
#[cfg(pushpull_loom)]
use self::model::{SegmentMemory, SegmentStart};

/// The memory, and how many of its bytes have been published.
pub(super) struct Block {
    memory: SegmentMemory,
    published: AtomicUsize,
}

/// A share of a block, through which published bytes are read. The last share gives the whole block to be recycled.
pub(super) struct Segment(ManuallyDrop<Arc<Block>>);

/// The writing end of a segment. Each segment has one, which is not `Clone`.
///
/// What the writer needs at every write is here and not in the `Segment`: the reader's accesses would take it away from
/// the writer's cache.
pub(super) struct Tail {
    memory: SegmentStart,
    filled: usize,
    /// The length up to which the segment may be filled.
    granted: usize,
    capacity: usize,
    segment: Segment,
}

impl Tail {
    /// Creates an empty segment of `capacity` bytes, of which none are granted yet.
    pub(super) fn new(capacity: usize) -> Tail {
        let segment = Segment::new(capacity);
        Tail { memory: segment.0.memory.place(), filled: 0, granted: 0, capacity, segment }
    }

    pub(super) fn segment(&self) -> &Segment {
        &self.segment
    }

    pub(super) fn into_segment(self) -> Segment {
        self.segment
    }

    /// Returns how many bytes have been published.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// Returns how many more bytes fit.
    pub(super) fn spare(&self) -> usize {
        self.capacity - self.filled
    }

    /// Grants `bytes` more bytes, or as many as fit.
    pub(super) fn grant(&mut self, bytes: usize) {
        self.granted = self.filled + bytes.min(self.spare());
    }

    /// Starts over at the beginning, if only this `Tail` and `other` share the block. Then no slice is left, and none
    /// can be made, since both are borrowed here. Returns `true` if it starts over.
    pub(super) fn rewind(&mut self, other: &mut Segment) -> bool {
        if !self.segment.is_of(other) || !other.is_shared_by(2) {
            return false;
        }
        self.segment.0.published.store(0, Ordering::Relaxed);
        (self.filled, self.granted) = (0, 0);
        true
    }

    /// Copies `bytes` behind the others and publishes them. Returns `false` if they are not granted.
    #[inline]
    pub(super) fn append(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.granted - self.filled {
            return false;
        }
        // SAFETY: the bytes from `filled` on are not published, so no reader reads them. This `Tail` is the segment's
        // only writer, and is borrowed mutably. The check above keeps the copy below `granted`, which never exceeds the
        // capacity. `Segment::new` has allocated that capacity or more, and `segment` keeps the memory.
        unsafe { self.memory.write(self.filled, bytes) };
        self.filled += bytes.len();
        // ORDERING: release, so that a reader that loads this length sees the bytes below it.
        self.segment.0.published.store(self.filled, Ordering::Release);
        true
    }
}

impl Segment {
    /// Creates a segment of `capacity` bytes or more, of which none are published.
    fn new(capacity: usize) -> Segment {
        let block = recycler::take(capacity).unwrap_or_else(|| {
            let memory = SegmentMemory::with_capacity(recycler::size(capacity));
            Arc::new(Block { memory, published: AtomicUsize::new(0) })
        });
        // No other thread has the block yet.
        block.published.store(0, Ordering::Relaxed);
        Segment(ManuallyDrop::new(block))
    }

    /// Returns how many bytes may be read.
    pub(super) fn published(&self) -> usize {
        // ORDERING: acquire, pairs with the release in `Tail::append`.
        self.0.published.load(Ordering::Acquire)
    }

    /// Returns the published bytes from `start` to `end`, without a copy. They keep the segment's memory until they are
    /// dropped.
    ///
    /// # Panics
    ///
    /// Panics if they are not all published.
    pub(super) fn slice(self, start: usize, end: usize) -> Bytes {
        assert!(start <= end && end <= self.published(), "a slice must not reach beyond the published bytes");
        // SAFETY: the assertion keeps the range below the published length. The bytes below that length are
        // initialized, and are not written again while the block is shared.
        unsafe { SegmentMemory::bytes(self, start, end) }
    }

    fn is_of(&self, other: &Segment) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns `true` if there are exactly `shares` shares. The holder of all shares may start the block over.
    fn is_shared_by(&self, shares: usize) -> bool {
        let all = Arc::strong_count(&self.0) == shares;
        if all {
            // ORDERING: acquire, pairs with the release when the other shares were dropped: their reads are over.
            sync::after_dropped_shares(&self.0);
        }
        all
    }
}

impl Clone for Segment {
    fn clone(&self) -> Segment {
        Segment(self.0.clone())
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // If two shares are dropped at once, neither may see that it is the last. Such a block is not recycled.
        let last = self.is_shared_by(1);
        // SAFETY: the block is taken only here, once, and `self.0` is not used afterwards.
        let block = unsafe { ManuallyDrop::take(&mut self.0) };
        if last {
            recycler::give(block);
        }
    }
}

impl Block {
    /// Returns how many bytes the block has room for.
    pub(super) fn size(&self) -> usize {
        self.memory.capacity()
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tail({} filled, {} spare)", self.filled, self.spare())
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segment({} published)", self.published())
    }
}

#[cfg(not(pushpull_loom))]
mod memory {
    use std::mem::ManuallyDrop;
    use std::ptr::NonNull;
    use std::slice;

    use bytes::Bytes;

    use super::Segment;

    /// The memory of a `Vec`, kept as pointer and capacity, so that two threads can use parts of it.
    pub(super) struct SegmentMemory {
        start: NonNull<u8>,
        capacity: usize,
    }

    /// The start of the memory, for its writer.
    pub(super) struct SegmentStart(NonNull<u8>);

    // SAFETY: this is only an address. The callers of `write` answer for each use of it.
    unsafe impl Send for SegmentStart {}
    // SAFETY: as above. A shared reference allows nothing but `write`.
    unsafe impl Sync for SegmentStart {}

    impl SegmentStart {
        /// # Safety
        ///
        /// The memory must be alive, `at + bytes.len()` must not exceed its capacity, and no other code may read or
        /// write that range during the call.
        #[inline]
        pub(super) unsafe fn write(&self, at: usize, bytes: &[u8]) {
            // SAFETY: the caller keeps `at` inside the memory.
            let place = unsafe { self.0.as_ptr().add(at) };
            // SAFETY: the caller keeps the range inside the memory, and to itself. `bytes` is another allocation, since
            // a slice of this one covers published bytes only.
            unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
    }

    // SAFETY: the memory is owned, like that of a `Vec<u8>`.
    unsafe impl Send for SegmentMemory {}
    // SAFETY: through a shared reference, only `SegmentStart::write` writes and only `bytes` reads. Their callers
    // promise that no byte is written while it can be read.
    unsafe impl Sync for SegmentMemory {}

    impl SegmentMemory {
        pub(super) fn with_capacity(capacity: usize) -> SegmentMemory {
            let mut vec = ManuallyDrop::new(Vec::<u8>::with_capacity(capacity));
            SegmentMemory { start: NonNull::from(vec.spare_capacity_mut()).cast(), capacity: vec.capacity() }
        }

        pub(super) fn capacity(&self) -> usize {
            self.capacity
        }

        /// Returns the start of the memory, for its writer.
        pub(super) fn place(&self) -> SegmentStart {
            SegmentStart(self.start)
        }

        /// # Safety
        ///
        /// The range must lie in the segment's memory and be initialized. It must not be written again while the
        /// segment is shared.
        pub(super) unsafe fn bytes(segment: Segment, start: usize, end: usize) -> Bytes {
            /// Keeps the segment, and shows only the requested range.
            struct Slice {
                _segment: Segment,
                start: NonNull<u8>,
                len: usize,
            }

            // SAFETY: a `Slice` only reads. Its range is not written again while it owns its segment, which is `Send`
            // and `Sync`.
            unsafe impl Send for Slice {}

            impl AsRef<[u8]> for Slice {
                fn as_ref(&self) -> &[u8] {
                    // SAFETY: the caller of `bytes` promised that the range is initialized and not written again, and
                    // `_segment` keeps the memory.
                    unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
                }
            }

            // SAFETY: the caller promised that the range lies in the memory.
            let place = unsafe { segment.0.memory.start.add(start) };
            Bytes::from_owner(Slice { _segment: segment, start: place, len: end - start })
        }
    }

    impl Drop for SegmentMemory {
        fn drop(&mut self) {
            // SAFETY: pointer and capacity come from an empty `Vec` that `with_capacity` did not drop. It is dropped
            // here, once. `&mut self` shows that no other code uses the memory.
            drop(unsafe { Vec::from_raw_parts(self.start.as_ptr(), 0, self.capacity) });
        }
    }
}

/// The same with a cell for each byte, so that `loom` sees every access. A slice is a copy.
#[cfg(pushpull_loom)]
mod model {
    use bytes::Bytes;
    use loom::cell::UnsafeCell;

    use super::Segment;

    type Cells = std::sync::Arc<[UnsafeCell<u8>]>;

    pub(super) struct SegmentMemory(Cells);

    // SAFETY: `loom` checks every access.
    unsafe impl Send for SegmentMemory {}
    // SAFETY: `loom` checks every access.
    unsafe impl Sync for SegmentMemory {}

    pub(super) struct SegmentStart(Cells);

    // SAFETY: `loom` checks every access.
    unsafe impl Send for SegmentStart {}
    // SAFETY: `loom` checks every access.
    unsafe impl Sync for SegmentStart {}

    impl SegmentStart {
        /// # Safety
        ///
        /// As for the real memory; here `loom` checks it.
        pub(super) unsafe fn write(&self, at: usize, bytes: &[u8]) {
            for (cell, byte) in self.0[at..].iter().zip(bytes) {
                // SAFETY: `loom` checks that no other thread uses the cell.
                cell.with_mut(|place| unsafe { *place = *byte });
            }
        }
    }

    impl SegmentMemory {
        pub(super) fn with_capacity(capacity: usize) -> SegmentMemory {
            SegmentMemory((0..capacity).map(|_| UnsafeCell::new(0)).collect())
        }

        pub(super) fn capacity(&self) -> usize {
            self.0.len()
        }

        pub(super) fn place(&self) -> SegmentStart {
            SegmentStart(self.0.clone())
        }

        /// # Safety
        ///
        /// As for the real memory; here `loom` checks it.
        pub(super) unsafe fn bytes(segment: Segment, start: usize, end: usize) -> Bytes {
            segment.0.memory.0[start..end]
                .iter()
                // SAFETY: `loom` checks that no thread writes the cell.
                .map(|cell| cell.with(|place| unsafe { *place }))
                .collect::<Vec<u8>>()
                .into()
        }
    }
}

#[cfg(all(test, not(pushpull_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_can_be_taken_while_more_is_written() {
        let mut tail = Tail::new(8);
        tail.grant(5);
        tail.append(b"abc");
        let first = tail.segment().clone().slice(0, 3);
        assert!(!tail.append(b"def"), "more than was granted");
        assert!(tail.append(b"de"));
        let second = tail.segment().clone().slice(3, 5);
        drop(tail);
        assert_eq!((&first[..], &second[..]), (&b"abc"[..], &b"de"[..]));
    }

    #[test]
    fn a_segment_starts_over_when_no_slice_of_it_is_left() {
        let mut tail = Tail::new(8);
        let mut other = tail.segment().clone();
        tail.grant(8);
        tail.append(b"abc");
        let slice = other.clone().slice(0, 3);
        assert!(!tail.rewind(&mut other), "a slice is still in use");
        assert_eq!(slice, "abc");
        drop(slice);
        assert!(!tail.rewind(&mut Tail::new(8).segment().clone()), "another segment's");
        assert!(tail.rewind(&mut other));
        assert_eq!((tail.filled(), other.published()), (0, 0));
        assert!(!tail.append(b"d"), "nothing was granted yet");
        tail.grant(8);
        assert!(tail.append(b"defghijk"));
        assert_eq!(other.clone().slice(0, 8), "defghijk");
    }

    #[test]
    #[should_panic(expected = "beyond the published bytes")]
    fn nothing_unpublished_can_be_taken() {
        let tail = Tail::new(8);
        tail.segment().clone().slice(0, 1);
    }
}
