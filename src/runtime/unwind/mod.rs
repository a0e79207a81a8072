//! The end of a program that ignores that its bridge is closed: after so many refused reads and writes it is unwound.

// Elsewhere frames are found and described in other ways, and a program is unwound without a look at them.
#[cfg(all(target_os = "linux", not(target_arch = "arm")))]
mod frames;

use std::panic;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// How many reads or writes a closed bridge refuses before it unwinds the program. An encoder that is dropped half way
/// makes a handful of its own.
const MAX_REFUSED: u32 = 64;

/// The payload that unwinds a program which ignores that its bridge is closed. It never leaves the bridge.
pub(crate) struct Stop;

/// The program may be unwound.
const UNWINDS: u8 = 0;
/// It could not be when that was tried: a frame below the read or write does not let an unwinding through.
const HELD: u8 = 1;
/// It is never unwound.
const NEVER: u8 = 2;

/// The reads and writes that a program was refused, and what becomes of it.
#[derive(Debug)]
pub(crate) struct Refusals {
    count: AtomicU32,
    manner: AtomicU8,
}

impl Refusals {
    /// Where panics abort the process no program is unwound, whatever its engine's options say.
    pub(crate) const fn new(unwinds: bool) -> Refusals {
        let manner = if unwinds && cfg!(panic = "unwind") { UNWINDS } else { NEVER };
        Refusals { count: AtomicU32::new(0), manner: AtomicU8::new(manner) }
    }

    /// Counts one more. Returns `true` if the program has had enough of them, and unwinding it is to be tried.
    pub(crate) fn is_enough(&self) -> bool {
        let before = self.count.load(Ordering::Relaxed);
        // A program's reads and writes come one after the other; those of an end that got away need not be counted each.
        self.count.store(before.wrapping_add(1), Ordering::Relaxed);
        match self.manner.load(Ordering::Relaxed) {
            _ if before < MAX_REFUSED => false,
            UNWINDS => true,
            // Its foreign frames may have returned since. A look costs microseconds, so it is taken ever more seldom.
            HELD => before.is_power_of_two(),
            _ => false,
        }
    }

    /// Unwinds the program that runs on this stack, without a word: no panic hook hears of it. Returns if there is a frame
    /// in between that would abort the process in place of being unwound, such as an `extern "C"` function's.
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
