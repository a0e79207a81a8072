//! Checks for the setters of limits.

use std::time::Duration;

/// Returns `time`. Panics if it is zero.
#[track_caller]
pub(crate) fn positive(name: &str, time: Duration) -> Duration {
    assert!(!time.is_zero(), "`{name}` must not be zero; `Duration::MAX` sets no limit");
    time
}
