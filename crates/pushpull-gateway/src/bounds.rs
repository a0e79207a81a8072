//! What the setters of limits refuse.

use std::time::Duration;

/// Returns a time that is not zero.
#[track_caller]
pub(crate) fn positive(name: &str, time: Duration) -> Duration {
    assert!(!time.is_zero(), "`{name}` must not be zero: nothing is as fast as that");
    time
}
