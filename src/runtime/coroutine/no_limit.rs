//! Without the feature `stacker`, or on a system on which its limit is not found: what that crate believes stays as it is.

/// The limit of the stack that runs on a thread, which is not known.
pub(super) struct Limit;

impl Limit {
    pub(super) const fn new() -> Limit {
        Limit
    }

    #[allow(clippy::unused_self, reason = "as where it is known")]
    pub(super) fn begin(&'static self) {}

    #[inline]
    #[allow(clippy::unused_self, reason = "as where it is known")]
    pub(super) fn replace(&self, limit: usize) -> usize {
        limit
    }
}
