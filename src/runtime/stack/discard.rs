//! Returns the memory of stacks to the system. The addresses stay reserved, and what was there is lost: on Linux at
//! once, elsewhere when the system needs the memory.

use std::ops::Range;

use super::place;

#[cfg(target_os = "linux")]
const DISCARD: libc::c_int = libc::MADV_DONTNEED;
#[cfg(not(target_os = "linux"))]
const DISCARD: libc::c_int = libc::MADV_FREE;

/// Returns one range to the system.
///
/// # Safety
///
/// The range is part of a mapping of stacks, no program runs there, and what is there is not needed.
pub(super) unsafe fn one(range: Range<usize>) {
    if !range.is_empty() {
        // SAFETY: as for this function.
        unsafe { libc::madvise(place(range.start), range.len(), DISCARD) };
    }
}

/// Returns several ranges to the system, in one call where the kernel has it: each call interrupts all processors that
/// run threads of this process.
///
/// # Safety
///
/// As for `one`, for each range.
pub(super) unsafe fn all(ranges: &[Range<usize>]) {
    // SAFETY: as for this function.
    let done = unsafe { at_once(ranges) };
    // SAFETY: as for this function.
    ranges[done..].iter().for_each(|range| unsafe { one(range.clone()) });
}

/// Returns how many of the ranges the call has returned to the system.
#[cfg(target_os = "linux")]
unsafe fn at_once(ranges: &[Range<usize>]) -> usize {
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Set when the kernel or a sandbox has refused the call. Linux takes this advice since 6.13, and this process
    /// without a descriptor since 6.15.
    static REFUSED: AtomicBool = AtomicBool::new(false);
    /// `PIDFD_SELF_THREAD`: the calling thread, and so its process.
    const SELF: libc::c_long = -10_000;

    if REFUSED.load(Ordering::Relaxed) {
        return 0;
    }
    let place = |range: &Range<usize>| libc::iovec { iov_base: place(range.start), iov_len: range.len() };
    let vector: Vec<_> = ranges.iter().map(place).collect();
    // SAFETY: as for this function; the vector lives until the call returns.
    let advised = unsafe { libc::syscall(libc::SYS_process_madvise, SELF, vector.as_ptr(), vector.len(), DISCARD, 0) };
    let Ok(mut advised) = usize::try_from(advised) else {
        REFUSED.store(true, Ordering::Relaxed);
        return 0;
    };
    // A range that was not advised to its end is not done.
    let is_whole = |range: &&Range<usize>| {
        let rest = advised.checked_sub(range.len());
        advised = rest.unwrap_or_default();
        rest.is_some()
    };
    ranges.iter().take_while(is_whole).count()
}

#[cfg(not(target_os = "linux"))]
unsafe fn at_once(_: &[Range<usize>]) -> usize {
    0
}
