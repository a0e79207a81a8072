//! Counts how often the threads of this process slept.

/// Returns the voluntary context switches of all threads, including threads that have ended. Each is a thread that
/// slept and was woken. A yield does not count.
#[cfg(unix)]
pub fn sleeps() -> u64 {
    use nix::sys::resource::{UsageWho, getrusage};

    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.voluntary_context_switches() as u64)
}

/// Returns zero: the system does not count them.
#[cfg(not(unix))]
pub fn sleeps() -> u64 {
    0
}
