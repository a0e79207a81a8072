//! The limit of open files: that which this process was started with, until a server needs more.
//!
//! Programs receive the limit that the server was started with. A raised limit must be restored between `fork` and
//! `exec`. This slows each start of a program: 0.26 instead of 0.07 ms for a server of 6 MiB. The limit is therefore
//! raised late: when the process has run out of descriptors.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{RwLock, RwLockReadGuard};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Whether a server runs in this process.
static SERVES: AtomicBool = AtomicBool::new(false);

/// The limit before it was raised. The lock is held for reading while a program is started.
static ORIGINAL: RwLock<Option<Rlimit>> = RwLock::new(None);

/// Allows the limit to be raised to the hard limit when it is reached.
#[cfg(feature = "server")]
pub(crate) fn raise_when_needed() {
    SERVES.store(true, Ordering::Relaxed);
}

/// Returns the limit that programs receive, if it differs from what they inherit. While the guard is held, the limit is
/// not raised.
pub(crate) fn original() -> RwLockReadGuard<'static, Option<Rlimit>> {
    ORIGINAL.read()
}

/// Opens something. If the process has run out of descriptors, raises the limit and tries again.
///
/// # Errors
///
/// Returns the error of `open`.
pub(crate) fn with_room<T>(mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match open() {
        // Tries again even if another thread raised the limit.
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => {
            raise();
            open()
        }
        opened => opened,
    }
}

/// Raises the limit, unless it was raised before.
pub(crate) fn raise() {
    if !SERVES.load(Ordering::Relaxed) {
        return;
    }
    let mut original = ORIGINAL.write();
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if original.is_none() && limit != raised && setrlimit(Resource::Nofile, raised).is_ok() {
        *original = Some(limit);
    }
}
