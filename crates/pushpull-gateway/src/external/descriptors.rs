//! How many files this process may have open: as many as it was started with, until a server needs more.
//!
//! Programs are given the limit that the server was started with. Once it is raised it has to be set back between `fork`
//! and `exec`, which makes each start of a program slower (0.26 in place of 0.07 ms for a server of 6 MiB). So the limit is
//! raised late: when the process has run out of descriptors.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{RwLock, RwLockReadGuard};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A server runs in this process.
static SERVES: AtomicBool = AtomicBool::new(false);

/// The limit that this process had before it was raised. It is read as long as a program is being started.
static ORIGINAL: RwLock<Option<Rlimit>> = RwLock::new(None);

/// Has the limit raised, to the hard one, when it is reached.
#[cfg(feature = "server")]
pub(crate) fn raise_when_needed() {
    SERVES.store(true, Ordering::Relaxed);
}

/// Returns the limit that programs are given, if it is not the one that they inherit. As long as it is kept, the limit is
/// not raised.
pub(crate) fn original() -> RwLockReadGuard<'static, Option<Rlimit>> {
    ORIGINAL.read()
}

/// Opens something, under a raised limit if it has to be.
///
/// # Errors
///
/// Returns the error of `open`.
pub(crate) fn with_room<T>(mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match open() {
        // Once more, whichever thread raised the limit.
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => {
            raise();
            open()
        }
        opened => opened,
    }
}

/// Raises the limit, if it was not raised before.
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
