//! The guards of all stacks by address, readable by a signal handler: no lock, no allocation.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// A slab of stacks at some address. Its stride and count never change. If it is reused by another slab of the same
/// measures while a handler reads it, the handler still reads a valid region.
#[derive(Debug)]
pub(super) struct Region {
    /// Zero while the region is vacant.
    start: AtomicUsize,
    stride: usize,
    count: usize,
    next: *const Region,
}

// SAFETY: the pointer is never changed, and leads to another region, which is never freed.
unsafe impl Sync for Region {}

/// The region that was added last. Regions are never freed: there are as many as there were slabs at the same time.
static LAST: AtomicPtr<Region> = AtomicPtr::new(ptr::null_mut());

impl Region {
    /// Publishes a slab. Calls must not overlap.
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

    /// Removes a slab that is about to be unmapped.
    pub(super) fn withdraw(&self) {
        self.start.store(0, Ordering::Release);
    }
}

/// Returns the end of the highest region that begins below `limit`, or zero if there is none.
pub(super) fn end_below(limit: usize) -> usize {
    let starts = all().map(|region| (region.start.load(Ordering::Relaxed), region.stride * region.count));
    starts.filter(|(start, _)| (1..limit).contains(start)).map(|(start, len)| start + len).max().unwrap_or(0)
}

/// Returns the start and end of the stack whose first `guard` bytes include `address`.
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
