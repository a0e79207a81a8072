//! The fence between "I have written" and "is anyone asleep?", and its other half.
//!
//! A writer publishes and then looks whether the puller sleeps; a puller says that it sleeps and then looks whether
//! something was published. Each needs a full fence in between, or both may look too early and a wake-up is lost. The
//! writer does it at every write and the puller only before it sleeps, so where Linux has `membarrier(2)` the puller
//! pays for both: the system call runs a full fence on every processor that runs this process.
#![allow(unsafe_code, reason = "membarrier is a bare system call")]

use crate::sync::{Ordering, fence};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Barrier {
    /// A fence on both sides.
    Fences,
    /// None for the writer, a system call for the puller.
    #[cfg(all(target_os = "linux", not(any(miri, pushpull_loom))))]
    Asymmetric,
}

impl Barrier {
    /// The cheapest that this system has.
    #[cfg(all(target_os = "linux", not(any(miri, pushpull_loom))))]
    pub(super) fn detect() -> Barrier {
        use crate::fork::PerProcess;
        static DETECTED: PerProcess<Barrier> = PerProcess::new();
        *DETECTED.get(|| match membarrier::register() {
            true => Barrier::Asymmetric,
            false => Barrier::Fences,
        })
    }

    #[cfg(not(all(target_os = "linux", not(any(miri, pushpull_loom)))))]
    pub(super) fn detect() -> Barrier {
        Barrier::Fences
    }

    /// The writer's half, at every write.
    #[inline]
    pub(super) fn light(self) {
        match self {
            // ORDERING: a full fence, the pair of the one in `heavy`.
            Barrier::Fences => fence(Ordering::SeqCst),
            // ORDERING: the compiler keeps the order, and `heavy` makes this processor keep it too.
            #[cfg(all(target_os = "linux", not(any(miri, pushpull_loom))))]
            Barrier::Asymmetric => std::sync::atomic::compiler_fence(Ordering::SeqCst),
        }
    }

    /// The puller's half, before it sleeps.
    pub(super) fn heavy(self) {
        match self {
            Barrier::Fences => fence(Ordering::SeqCst),
            #[cfg(all(target_os = "linux", not(any(miri, pushpull_loom))))]
            Barrier::Asymmetric => membarrier::run(),
        }
    }
}

#[cfg(all(target_os = "linux", not(any(miri, pushpull_loom))))]
mod membarrier {
    use std::io;

    /// Says that this process will use the command; false where the kernel has none.
    pub(super) fn register() -> bool {
        call(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0
    }

    /// A full fence on every processor that runs a thread of this process.
    pub(super) fn run() {
        if call(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0 {
            return;
        }
        // A registration is the process's own: it may have to be made again after a `fork`.
        let again = register() && call(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
        assert!(again, "membarrier stopped working: {}", io::Error::last_os_error());
    }

    fn call(command: libc::c_int) -> libc::c_long {
        // SAFETY: the command takes no pointer, and these commands change nothing but the order of memory accesses.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0 as libc::c_uint, 0 as libc::c_int) }
    }
}
