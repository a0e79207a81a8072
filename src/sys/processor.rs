//! The processor that a thread runs on, and so whose cache holds what the thread has just read.
#![allow(unsafe_code, reason = "sched_getcpu is a bare system call")]

/// Returns the processor that this thread runs on, or ran on a moment ago. `None` where asking is not cheap.
#[cfg(all(target_os = "linux", not(any(miri, pushpull_loom))))]
pub(crate) fn current() -> Option<u32> {
    // SAFETY: takes no argument and changes nothing; returns a negative number on failure.
    u32::try_from(unsafe { libc::sched_getcpu() }).ok()
}

#[cfg(not(all(target_os = "linux", not(any(miri, pushpull_loom)))))]
pub(crate) fn current() -> Option<u32> {
    None
}
