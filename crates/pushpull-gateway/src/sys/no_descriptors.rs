//! The limit of open files, on systems that have none for a process.

use std::io;

/// Does nothing: there is no limit to raise.
#[cfg(feature = "server")]
pub(crate) fn raise_when_needed() {}

/// Opens something.
///
/// # Errors
///
/// Returns the error of `open`.
pub(crate) fn with_room<T>(mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    open()
}

/// Does nothing: there is no limit to raise.
#[cfg(feature = "server")]
pub(crate) fn raise() {}
