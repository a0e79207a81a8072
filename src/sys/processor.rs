//! Which processor a thread runs on, and so whose cache holds what it has just read.
#![allow(unsafe_code, reason = "sched_getcpu is a bare system call")]

/// The processor that this thread runs on, or ran on a moment ago. `None` where that cannot be told cheaply.
#[cfg(all(target_os = "linux", not(any(miri, pushpull_loom))))]
pub(crate) fn current() -> Option<u32> {
    // SAFETY: it takes nothing and changes nothing; where it fails it gives a negative number.
    u32::try_from(unsafe { libc::sched_getcpu() }).ok()
}

#[cfg(not(all(target_os = "linux", not(any(miri, pushpull_loom)))))]
pub(crate) fn current() -> Option<u32> {
    None
}
