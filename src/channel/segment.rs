//! A piece of memory that one side fills while the other already takes from its beginning.
//!
//! The writer copies bytes behind those that are published and then stores the new length; the puller loads the length
//! and takes `Bytes` of what is below it. Published bytes are not written again while anybody shares them, so both may work
//! at once. That costs the writer one store a write, and no lock.
#![allow(unsafe_code, reason = "this file owns the memory that both ends share")]

use std::fmt;
use std::mem::ManuallyDrop;

use bytes::Bytes;

use super::recycler;
use crate::sync::{Arc, AtomicUsize, Ordering, fence};

#[cfg(not(pushpull_loom))]
use self::memory::{SegmentMemory, SegmentStart};
#[cfg(pushpull_loom)]
use self::model::{SegmentMemory, SegmentStart};

/// The memory, and how much of it has been published.
pub(super) struct Block {
    memory: SegmentMemory,
    published: AtomicUsize,
}

/// A share of a block: what has been published can be read by anyone. The last one gives the block to be recycled, whole.
pub(super) struct Segment(ManuallyDrop<Arc<Block>>);

/// The writing end of a segment. There is one for each, and it is not `Clone`.
///
/// What the writer needs at every write is here and not in the `Segment`, which the puller's reads take away from the
/// writer's cache.
pub(super) struct Tail {
    memory: SegmentStart,
    filled: usize,
    /// How far it may be filled.
    granted: usize,
    capacity: usize,
    segment: Segment,
}

impl Tail {
    /// An empty segment of `capacity` bytes, of which none may be written yet.
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

    /// How many bytes have been published.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// How many bytes still fit.
    pub(super) fn spare(&self) -> usize {
        self.capacity - self.filled
    }

    /// Allows so many bytes more, or as many as fit.
    pub(super) fn grant(&mut self, bytes: usize) {
        self.granted = self.filled + bytes.min(self.spare());
    }

    /// Begins anew, if nobody but this `Tail` and `other` share the block: then no slice of it is left, and as both are
    /// borrowed here none is made.
    pub(super) fn rewind(&mut self, other: &mut Segment) -> bool {
        if !self.segment.is_of(other) || !other.is_shared_by(2) {
            return false;
        }
        self.segment.0.published.store(0, Ordering::Relaxed);
        (self.filled, self.granted) = (0, 0);
        true
    }

    /// Copies `bytes` behind the others and publishes them, if they are granted.
    #[inline]
    pub(super) fn append(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.granted - self.filled {
            return false;
        }
        // SAFETY: the bytes from `filled` on are not published, so nobody reads them; this `Tail` is the segment's
        // only writer and is borrowed mutably; the check above keeps the copy below `granted`, which is at most the
        // capacity, and `Segment::new` has taken memory of at least that, which `segment` keeps.
        unsafe { self.memory.write(self.filled, bytes) };
        self.filled += bytes.len();
        // ORDERING: release, so that whoever loads this length sees the bytes below it.
        self.segment.0.published.store(self.filled, Ordering::Release);
        true
    }
}

impl Segment {
    /// One of at least `capacity` bytes, nothing of which is published.
    fn new(capacity: usize) -> Segment {
        let block = recycler::take(capacity).unwrap_or_else(|| {
            let memory = SegmentMemory::with_capacity(recycler::size(capacity));
            Arc::new(Block { memory, published: AtomicUsize::new(0) })
        });
        // Nobody else has it.
        block.published.store(0, Ordering::Relaxed);
        Segment(ManuallyDrop::new(block))
    }

    /// How many bytes may be read.
    pub(super) fn published(&self) -> usize {
        // ORDERING: acquire, the other half of the release in `Tail::append`.
        self.0.published.load(Ordering::Acquire)
    }

    /// The published bytes from `start` to `end`, without a copy. They keep the segment's memory until they are
    /// dropped.
    ///
    /// # Panics
    ///
    /// If they are not all published.
    pub(super) fn slice(self, start: usize, end: usize) -> Bytes {
        assert!(start <= end && end <= self.published(), "a slice reached beyond what is published");
        // SAFETY: the assertion keeps the range below the published length, and what is below it is initialized and
        // not written again while anybody shares the block.
        unsafe { SegmentMemory::bytes(self, start, end) }
    }

    fn is_of(&self, other: &Segment) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether there are so many shares and no more. Whoever has them all may begin the block anew.
    fn is_shared_by(&self, shares: usize) -> bool {
        let all = Arc::strong_count(&self.0) == shares;
        if all {
            // ORDERING: acquire, the other half of the release with which the other shares were dropped: their reads are over.
            fence(Ordering::Acquire);
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
        // Two that are dropped at once may both find that they are not the last: that block is not recycled.
        let last = self.is_shared_by(1);
        // SAFETY: it is taken once, here, where nobody can use it afterwards.
        let block = unsafe { ManuallyDrop::take(&mut self.0) };
        if last {
            recycler::give(block);
        }
    }
}

impl Block {
    /// How many bytes it has room for.
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

    /// A `Vec`'s memory with the `Vec`'s view of it taken apart, so that two threads can use parts of it.
    pub(super) struct SegmentMemory {
        start: NonNull<u8>,
        capacity: usize,
    }

    /// Where the memory begins, for its writer.
    pub(super) struct SegmentStart(NonNull<u8>);

    // SAFETY: it is a place and no more; `write` says who may use it.
    unsafe impl Send for SegmentStart {}
    // SAFETY: as above, and nothing can be done with a shared one that the caller of `write` does not answer for.
    unsafe impl Sync for SegmentStart {}

    impl SegmentStart {
        /// # Safety
        ///
        /// The memory lives, `at + bytes.len()` is at most its capacity, and nobody else reads or writes that range
        /// during the call.
        #[inline]
        pub(super) unsafe fn write(&self, at: usize, bytes: &[u8]) {
            // SAFETY: the caller keeps `at` inside the memory.
            let place = unsafe { self.0.as_ptr().add(at) };
            // SAFETY: the caller keeps the range inside the memory and to itself; `bytes` is another allocation, since
            // a slice of this one reaches only what is published.
            unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
    }

    // SAFETY: the memory is owned, as a `Vec<u8>`'s is.
    unsafe impl Send for SegmentMemory {}
    // SAFETY: through a shared reference it is only written by `SegmentStart::write` and only read by `bytes`, whose callers promise
    // that no place is ever both.
    unsafe impl Sync for SegmentMemory {}

    impl SegmentMemory {
        pub(super) fn with_capacity(capacity: usize) -> SegmentMemory {
            let mut vec = ManuallyDrop::new(Vec::<u8>::with_capacity(capacity));
            SegmentMemory { start: NonNull::from(vec.spare_capacity_mut()).cast(), capacity: vec.capacity() }
        }

        pub(super) fn capacity(&self) -> usize {
            self.capacity
        }

        /// Where a writer writes.
        pub(super) fn place(&self) -> SegmentStart {
            SegmentStart(self.start)
        }

        /// # Safety
        ///
        /// The range lies in the segment's memory, is initialized, and is not written again while that is shared.
        pub(super) unsafe fn bytes(segment: Segment, start: usize, end: usize) -> Bytes {
            /// Keeps the segment, and shows only the range that was asked for.
            struct Slice {
                _segment: Segment,
                start: NonNull<u8>,
                len: usize,
            }

            // SAFETY: it only reads, a range that is not written again while it owns its `Send + Sync` segment.
            unsafe impl Send for Slice {}

            impl AsRef<[u8]> for Slice {
                fn as_ref(&self) -> &[u8] {
                    // SAFETY: `bytes`' caller promised that the range is initialized and not written again, and the
                    // segment is kept.
                    unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
                }
            }

            // SAFETY: the range lies in the memory.
            let place = unsafe { segment.0.memory.start.add(start) };
            Bytes::from_owner(Slice { _segment: segment, start: place, len: end - start })
        }
    }

    impl Drop for SegmentMemory {
        fn drop(&mut self) {
            // SAFETY: `with_capacity` took pointer and capacity from an empty `Vec` that was not dropped, and this drops it;
            // `&mut self` says that nobody uses the memory.
            drop(unsafe { Vec::from_raw_parts(self.start.as_ptr(), 0, self.capacity) });
        }
    }
}

/// The same with a cell for each byte, so that `loom` sees every access. A slice is copied out.
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
        /// As in the real one; here `loom` checks it.
        pub(super) unsafe fn write(&self, at: usize, bytes: &[u8]) {
            for (cell, byte) in self.0[at..].iter().zip(bytes) {
                // SAFETY: `loom` checks that nobody else uses the cell.
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
        /// As in the real one; here `loom` checks it.
        pub(super) unsafe fn bytes(segment: Segment, start: usize, end: usize) -> Bytes {
            segment.0.memory.0[start..end]
                .iter()
                // SAFETY: `loom` checks that nobody writes the cell.
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
    fn a_segment_begins_anew_when_no_slice_of_it_is_left() {
        let mut tail = Tail::new(8);
        let mut other = tail.segment().clone();
        tail.grant(8);
        tail.append(b"abc");
        let slice = other.clone().slice(0, 3);
        assert!(!tail.rewind(&mut other), "somebody still reads it");
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
    #[should_panic(expected = "beyond what is published")]
    fn nothing_unpublished_can_be_taken() {
        let tail = Tail::new(8);
        tail.segment().clone().slice(0, 1);
    }
}
