//! The processor of each side. The scheduler runs both sides on one processor or on two, by chance. The two differ by a
//! factor of five, since moving a cache line to another core costs more than writing it.

use core_affinity::CoreId;

/// The processors of the two sides of a bridge between threads.
#[derive(Clone, Copy)]
pub enum Cores {
    /// Both sides run at once, so that every byte moves from one core to the other.
    Two { host: CoreId, program: CoreId },
    /// Both sides share one core and run in turns.
    One(CoreId),
    /// The scheduler decides. Measure this first: a thread stays where it was placed.
    Any,
}

impl Cores {
    /// Returns what this machine supports.
    pub fn all() -> Vec<(&'static str, Cores)> {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        let two = cores.get(..2).map(|cores| ("two cores", Cores::Two { host: cores[0], program: cores[1] }));
        let one = cores.first().map(|core| ("one core", Cores::One(*core)));
        two.into_iter().chain(one).collect()
    }

    /// Places the calling thread, which reads.
    pub fn host(self) {
        if let Cores::Two { host: core, .. } | Cores::One(core) = self {
            core_affinity::set_for_current(core);
        }
    }

    /// Places the calling thread, which writes.
    pub fn program(self) {
        if let Cores::Two { program: core, .. } | Cores::One(core) = self {
            core_affinity::set_for_current(core);
        }
    }
}
