//! The guards of stacks: marks in the page table where the kernel has them, elsewhere protected pages.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

use super::{GUARD, error, place};

/// `MADV_GUARD_INSTALL` and `MADV_POPULATE_READ` of Linux, which are newer than the headers of most systems.
const GUARD_INSTALL: libc::c_int = 102;
const POPULATE_READ: libc::c_int = 22;

/// What is known of the kernel's marks.
static MARKS: AtomicU8 = AtomicU8::new(if cfg!(target_os = "linux") { UNTRIED } else { MISSING });
const UNTRIED: u8 = 0;
const WORKING: u8 = 1;
const MISSING: u8 = 2;

/// Makes every access to the guard of the stack at `start` a fault.
pub(super) fn put(start: usize) -> io::Result<()> {
    if MARKS.load(Ordering::Relaxed) != MISSING {
        if mark(start)? {
            return Ok(());
        }
        MARKS.store(MISSING, Ordering::Relaxed);
    }
    // SAFETY: the lowest bytes of a stack that was not used yet.
    match unsafe { libc::mprotect(place(start), GUARD, libc::PROT_NONE) } {
        0 => Ok(()),
        _ => Err(error("guard (each takes two mappings: see vm.max_map_count)", io::Error::last_os_error())),
    }
}

/// Marks the guard. Returns `false` if the kernel has no marks.
fn mark(start: usize) -> io::Result<bool> {
    // SAFETY: the lowest bytes of a stack that was not used yet.
    if unsafe { libc::madvise(place(start), GUARD, GUARD_INSTALL) } != 0 {
        let refused = io::Error::last_os_error();
        return match refused.raw_os_error() {
            Some(libc::ENOMEM | libc::EAGAIN) => Err(error("guard", refused)),
            // The kernel does not know the advice, or a sandbox does not let it pass.
            _ => Ok(false),
        };
    }
    // qemu takes any advice for a hint, and says that it has followed it.
    if MARKS.load(Ordering::Relaxed) == UNTRIED {
        // SAFETY: as above. It fails where a read would; elsewhere, memory is given to these bytes.
        if unsafe { libc::madvise(place(start), GUARD, POPULATE_READ) } == 0 {
            return Ok(false);
        }
        MARKS.store(WORKING, Ordering::Relaxed);
    }
    Ok(true)
}

/// Acts as if the kernel had no marks.
#[cfg(all(test, target_os = "linux"))]
pub(super) fn protect_pages() {
    MARKS.store(MISSING, Ordering::Relaxed);
}
