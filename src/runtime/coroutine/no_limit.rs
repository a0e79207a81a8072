//! The limit of `stacker` without that feature, or on a system on which the limit is not found: it stays unchanged.

/// The unknown limit of the stack that runs on a thread.
pub(super) struct Limit;

impl Limit {
    pub(super) const fn new() -> Limit {
        Limit
    }

    #[allow(clippy::unused_self, reason = "the signature of the known limit")]
    pub(super) fn begin(&'static self) {}

    #[inline]
    #[allow(clippy::unused_self, reason = "the signature of the known limit")]
    pub(super) fn replace(&self, limit: usize) -> usize {
        limit
    }
}
