//! The end of a program that ignores that its bridge is closed: after a number of refused reads and writes it is
//! unwound.

// On other systems, a program is unwound without looking at its frames, which are described differently there.
#[cfg(all(target_os = "linux", not(target_arch = "arm")))]
mod frames;

use std::panic;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// The number of reads and writes that a closed bridge refuses before it unwinds the program. An encoder that is
/// dropped half way makes a handful.
const MAX_REFUSED: u32 = 64;

/// The payload that unwinds a program which ignores that its bridge is closed. It never leaves the bridge.
pub(crate) struct Stop;

/// The program may be unwound.
const UNWINDS: u8 = 0;
/// Unwinding was tried, but a frame below the read or write stops it.
const HELD: u8 = 1;
/// The program is never unwound.
const NEVER: u8 = 2;

/// The refused reads and writes of a program, and what follows from them.
#[derive(Debug)]
pub(crate) struct Refusals {
    count: AtomicU32,
    manner: AtomicU8,
}

impl Refusals {
    /// Creates the count. Where panics abort the process, no program is unwound, whatever the engine's options.
    pub(crate) const fn new(unwinds: bool) -> Refusals {
        let manner = if unwinds && cfg!(panic = "unwind") { UNWINDS } else { NEVER };
        Refusals { count: AtomicU32::new(0), manner: AtomicU8::new(manner) }
    }

    /// Counts a refusal. Returns `true` if the program has ignored enough of them, so that unwinding must be tried.
    pub(crate) fn is_enough(&self) -> bool {
        let before = self.count.load(Ordering::Relaxed);
        // A program's reads and writes come one after the other. From an end on another thread, some may go uncounted.
        self.count.store(before.wrapping_add(1), Ordering::Relaxed);
        match self.manner.load(Ordering::Relaxed) {
            _ if before < MAX_REFUSED => false,
            UNWINDS => true,
            // The frame that stopped it may have returned since. Looking costs microseconds, so it is done ever more
            // rarely.
            HELD => before.is_power_of_two(),
            _ => false,
        }
    }

    /// Unwinds the program that runs on this stack, without calling the panic hook. Returns if a frame in between would
    /// abort the process instead, such as that of an `extern "C"` function.
    pub(crate) fn unwind(&self) {
        if let_through() {
            panic::resume_unwind(Box::new(Stop));
        }
        self.manner.store(HELD, Ordering::Relaxed);
    }
}

#[cfg(all(target_os = "linux", not(target_arch = "arm")))]
fn let_through() -> bool {
    frames::let_through()
}

#[cfg(not(all(target_os = "linux", not(target_arch = "arm"))))]
fn let_through() -> bool {
    true
}
