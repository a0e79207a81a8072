//! Foreign code that is called where a panic of it would be the wrong one's.

use std::mem;
use std::panic::{self, AssertUnwindSafe};

/// Calls what is of no concern to whoever calls it, and so must not panic.
pub(crate) fn contained(call: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(call))
        && let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        // What panics whenever it is dropped stays.
        mem::forget(payload);
    }
}
