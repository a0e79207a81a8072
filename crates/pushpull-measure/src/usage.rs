//! How often a thread of this process fell asleep and was woken again.

use nix::sys::resource::{UsageWho, getrusage};

/// Voluntary context switches of all threads so far, also of those that have ended: each is a thread that slept, and had
/// to be woken. A yield is none.
pub fn sleeps() -> u64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.voluntary_context_switches() as u64)
}
