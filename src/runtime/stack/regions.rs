//! Which addresses are whose guard, in a form that a signal handler may read: no lock, no allocation.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// The slab of stacks at some address. Its measures never change, so that whoever reads it while it is taken over by
/// another slab, of the same measures, reads sense.
#[derive(Debug)]
pub(super) struct Region {
    /// Zero while there is none.
    start: AtomicUsize,
    stride: usize,
    count: usize,
    next: *const Region,
}

// SAFETY: the pointer leads to another region, which lives for ever, and is never changed.
unsafe impl Sync for Region {}

/// The last one that was added. They live for ever: there are as many as there were slabs at the same time.
static LAST: AtomicPtr<Region> = AtomicPtr::new(ptr::null_mut());

impl Region {
    /// Makes a place known. Calls are made one at a time.
    pub(super) fn publish(start: usize, stride: usize, count: usize) -> &'static Region {
        if let Some(vacant) = all().find(|region| {
            region.start.load(Ordering::Relaxed) == 0 && region.stride == stride && region.count == count
        }) {
            vacant.start.store(start, Ordering::Release);
            return vacant;
        }
        let next = LAST.load(Ordering::Relaxed);
        let region = Box::leak(Box::new(Region { start: AtomicUsize::new(start), stride, count, next }));
        LAST.store(region, Ordering::Release);
        region
    }

    /// It is about to be unmapped.
    pub(super) fn withdraw(&self) {
        self.start.store(0, Ordering::Release);
    }
}

/// Where the highest region ends that begins below `limit`. Zero if there is none.
pub(super) fn end_below(limit: usize) -> usize {
    let starts = all().map(|region| (region.start.load(Ordering::Relaxed), region.stride * region.count));
    starts.filter(|(start, _)| (1..limit).contains(start)).map(|(start, len)| start + len).max().unwrap_or(0)
}

/// Where the stack of whose first `guard` bytes `address` is one begins and ends.
pub(super) fn guarded(address: usize, guard: usize) -> Option<(usize, usize)> {
    all().find_map(|region| {
        let start = region.start.load(Ordering::Acquire);
        let offset =
            address.checked_sub(start).filter(|offset| start != 0 && *offset < region.stride * region.count)?;
        let stack = start + offset / region.stride * region.stride;
        (offset % region.stride < guard).then_some((stack, stack + region.stride))
    })
}

fn all() -> impl Iterator<Item = &'static Region> {
    std::iter::successors(region(LAST.load(Ordering::Acquire)), |region_| region(region_.next))
}

fn region(place: *const Region) -> Option<&'static Region> {
    // SAFETY: null, or a region that was leaked.
    unsafe { place.as_ref() }
}
