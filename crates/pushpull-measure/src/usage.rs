//! Counts how often the threads of this process slept.

use nix::sys::resource::{UsageWho, getrusage};

/// Returns the voluntary context switches of all threads, including threads that have ended. Each is a thread that
/// slept and was woken. A yield does not count.
pub fn sleeps() -> u64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.voluntary_context_switches() as u64)
}
