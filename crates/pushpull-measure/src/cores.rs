//! Which processor each side runs on. Left to the scheduler, a run has both on one processor or each on its own as chance
//! has it, and the two differ by a factor of five: moving a cache line to another core costs more than writing it.

use core_affinity::CoreId;

/// Where the two sides of a bridge between threads run.
#[derive(Clone, Copy)]
pub enum Cores {
    /// Both at once, so that every byte moves from one core to the other.
    Two { host: CoreId, program: CoreId },
    /// In turns.
    One(CoreId),
    /// Wherever the scheduler puts them. To be measured before any other: a thread stays where it was put.
    Any,
}

impl Cores {
    /// What this machine can do.
    pub fn all() -> Vec<(&'static str, Cores)> {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        let two = cores.get(..2).map(|cores| ("two cores", Cores::Two { host: cores[0], program: cores[1] }));
        let one = cores.first().map(|core| ("one core", Cores::One(*core)));
        two.into_iter().chain(one).collect()
    }

    /// To be called on the thread that pulls.
    pub fn host(self) {
        if let Cores::Two { host: core, .. } | Cores::One(core) = self {
            core_affinity::set_for_current(core);
        }
    }

    /// To be called on the thread that writes.
    pub fn program(self) {
        if let Cores::Two { program: core, .. } | Cores::One(core) = self {
            core_affinity::set_for_current(core);
        }
    }
}
