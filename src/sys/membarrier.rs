//! The fence between "I have written" and "is anyone asleep?", and its other half.
//!
//! A writer publishes and then looks whether the reader sleeps; a reader says that it sleeps and then looks whether
//! something was published. Each needs a full fence in between, or both may look too early and a wake-up is lost. The
//! writer does it at every write and the reader only before it sleeps, so where Linux has `membarrier(2)` the reader
//! pays for both: the system call runs a full fence on every processor that runs this process.
//!
//! A sandbox that the process enters later may refuse that call. From the first refusal on both sides have a fence.
#![allow(unsafe_code, reason = "membarrier is a bare system call")]

#[cfg(all(target_os = "linux", not(any(miri, pushpull_loom))))]
pub(crate) use self::asymmetric::{heavy, light, prepare};
#[cfg(not(all(target_os = "linux", not(any(miri, pushpull_loom)))))]
pub(crate) use self::fences::{heavy, light, prepare};

#[cfg(not(all(target_os = "linux", not(any(miri, pushpull_loom)))))]
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

    /// Whether writers do without a fence. Read at every write.
    static ASYMMETRIC: Apart<AtomicBool> = Apart::new(AtomicBool::new(false));

    /// Whether writers ever did.
    static REGISTERED: PerProcess<bool> = PerProcess::new();

    static GIVEN_UP: PerProcess<()> = PerProcess::new();

    /// How long a writer may take to see that it needs a fence, and its last write without one to be seen: a processor keeps
    /// neither for more than some hundred instructions.
    const SETTLED: Duration = Duration::from_millis(1);

    /// Prepares the process for the others, once.
    pub(crate) fn prepare() {
        REGISTERED.get(|| {
            let registered = register();
            ASYMMETRIC.value.store(registered, Ordering::Relaxed);
            registered
        });
    }

    /// The writer's half, at every write.
    #[inline]
    pub(crate) fn light() {
        if ASYMMETRIC.value.load(Ordering::Relaxed) {
            // ORDERING: the compiler keeps the order, and `heavy` makes this processor keep it too.
            compiler_fence(Ordering::SeqCst);
        } else {
            // ORDERING: a full fence, the pair of the one in `heavy`.
            fence(Ordering::SeqCst);
        }
    }

    /// The reader's half, before it sleeps.
    pub(crate) fn heavy() {
        if REGISTERED.peek() == Some(&true) {
            if ASYMMETRIC.value.load(Ordering::Relaxed) && run() {
                return;
            }
            give_up();
        }
        fence(Ordering::SeqCst);
    }

    /// Has writers use a fence from here on, and waits until all of them do. Threads that find it refused at the same time wait
    /// each for itself.
    #[cold]
    fn give_up() {
        GIVEN_UP.get(|| {
            ASYMMETRIC.value.store(false, Ordering::Relaxed);
            // ORDERING: a writer that still does without has published before it looked, and both have reached the other
            // processors by the end of the wait. One that sees this has a full fence.
            fence(Ordering::SeqCst);
            let start = Instant::now();
            while start.elapsed() < SETTLED {
                thread::yield_now();
            }
        });
    }

    /// Says that this process will use the command. Returns `false` if the kernel has none.
    fn register() -> bool {
        call(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0
    }

    /// Runs a full fence on every processor that runs a thread of this process. Returns `false` if that is refused.
    fn run() -> bool {
        // A registration is the process's own: it may have to be made again after a `fork`.
        let run = || call(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
        run() || (register() && run())
    }

    fn call(command: libc::c_int) -> libc::c_long {
        // SAFETY: the command takes no pointer, and these commands change nothing but the order of memory accesses.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0 as libc::c_uint, 0 as libc::c_int) }
    }
}
