//! The fences between publishing and looking for a sleeper: a cheap one for the writer, an expensive one for the
//! reader.
//!
//! A writer publishes and then looks whether the reader sleeps. A reader notes that it sleeps and then looks whether
//! something was published. Each needs a full fence in between; otherwise both may look too early, and a wake-up is
//! lost. The writer does this at every write, the reader only before it sleeps. So on Linux and Windows the reader pays
//! for both: `membarrier(2)` and `FlushProcessWriteBuffers` run a full fence on every processor that runs this process.
//! Elsewhere each side uses a fence.
//!
//! A sandbox that a Linux process enters later may refuse that call. From the first refusal on, both sides use a fence.
#![allow(unsafe_code, reason = "membarrier is a bare system call")]

#[cfg(all(target_os = "linux", not(any(miri, pushpull_loom))))]
pub(crate) use self::asymmetric::{heavy, light, prepare};
#[cfg(not(all(any(target_os = "linux", windows), not(any(miri, pushpull_loom)))))]
pub(crate) use self::fences::{heavy, light, prepare};
#[cfg(all(windows, not(any(miri, pushpull_loom))))]
pub(crate) use self::flushes::{heavy, light, prepare};

#[cfg(all(windows, not(any(miri, pushpull_loom))))]
mod flushes {
    use std::sync::atomic::{Ordering, compiler_fence, fence};

    use windows_sys::Win32::System::Threading::FlushProcessWriteBuffers;

    pub(crate) fn prepare() {}

    #[inline]
    pub(crate) fn light() {
        // ORDERING: the compiler keeps the order, and `heavy` makes this processor keep it too.
        compiler_fence(Ordering::SeqCst);
    }

    pub(crate) fn heavy() {
        // SAFETY: takes nothing, and only orders memory accesses. It cannot be refused.
        unsafe { FlushProcessWriteBuffers() };
        // ORDERING: a full fence of this thread, and for the compiler.
        fence(Ordering::SeqCst);
    }
}

#[cfg(not(all(any(target_os = "linux", windows), not(any(miri, pushpull_loom)))))]
mod fences {
    use crate::sync::{Ordering, fence};

    pub(crate) fn prepare() {}

    // ORDERING: full fences, which pair with each other.

    #[inline]
    pub(crate) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn heavy() {
        fence(Ordering::SeqCst);
    }
}

#[cfg(all(target_os = "linux", not(any(miri, pushpull_loom))))]
mod asymmetric {
    use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};
    use std::thread;
    use std::time::{Duration, Instant};

    use crate::sync::Apart;
    use crate::sys::fork::PerProcess;

    /// `true` while writers use no fence. Read at every write.
    static ASYMMETRIC: Apart<AtomicBool> = Apart::new(AtomicBool::new(false));

    /// `true` if writers ever used no fence in this process.
    static REGISTERED: PerProcess<bool> = PerProcess::new();

    static GIVEN_UP: PerProcess<()> = PerProcess::new();

    /// The time after which every writer sees that it needs a fence, and its last write without one is visible. A
    /// processor delays neither for more than some hundred instructions.
    const SETTLED: Duration = Duration::from_millis(1);

    /// Prepares the process for `light` and `heavy`, once.
    pub(crate) fn prepare() {
        REGISTERED.get(|| {
            let registered = register();
            ASYMMETRIC.value.store(registered, Ordering::Relaxed);
            registered
        });
    }

    /// Runs the writer's fence, at every write.
    #[inline]
    pub(crate) fn light() {
        if ASYMMETRIC.value.load(Ordering::Relaxed) {
            // ORDERING: the compiler keeps the order, and `heavy` makes this processor keep it too.
            compiler_fence(Ordering::SeqCst);
        } else {
            // ORDERING: a full fence, which pairs with the one in `heavy`.
            fence(Ordering::SeqCst);
        }
    }

    /// Runs the reader's fence, before the reader sleeps.
    pub(crate) fn heavy() {
        if REGISTERED.peek() == Some(&true) {
            if ASYMMETRIC.value.load(Ordering::Relaxed) && run() {
                return;
            }
            give_up();
        }
        fence(Ordering::SeqCst);
    }

    /// Makes writers use a fence from here on, and waits until all of them do. Threads that are refused at the same
    /// time wait independently.
    #[cold]
    fn give_up() {
        GIVEN_UP.get(|| {
            ASYMMETRIC.value.store(false, Ordering::Relaxed);
            // ORDERING: a writer that still uses no fence has published before it looked. Both have reached the other
            // processors by the end of the wait. A writer that sees the change uses a full fence.
            fence(Ordering::SeqCst);
            let start = Instant::now();
            while start.elapsed() < SETTLED {
                thread::yield_now();
            }
        });
    }

    /// Registers this process for the command. Returns `false` if the kernel does not have it.
    fn register() -> bool {
        call(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0
    }

    /// Runs a full fence on every processor that runs a thread of this process. Returns `false` if that is refused.
    fn run() -> bool {
        // A registration belongs to one process: after a `fork` it may have to be repeated.
        let run = || call(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
        run() || (register() && run())
    }

    fn call(command: libc::c_int) -> libc::c_long {
        // SAFETY: the command takes no pointer, and only orders memory accesses.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0 as libc::c_uint, 0 as libc::c_int) }
    }
}
