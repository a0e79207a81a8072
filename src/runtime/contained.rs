//! Foreign code whose panic must not reach its caller.

use std::mem;
use std::panic::{self, AssertUnwindSafe};

/// Calls `call` and discards its panic, which would hit an unrelated caller.
pub(crate) fn contained(call: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(call))
        && let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        // A payload that panics whenever it is dropped is leaked.
        mem::forget(payload);
    }
}
