//! The extent of a measurement.

use std::time::Duration;

/// How long, and how much, is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// The total time.
    pub total: Duration,
    /// The approximate time of one run with pauses.
    pub run: Duration,
    /// A run at full speed moves this many times fewer bytes.
    pub divisor: usize,
    /// The maximum pause of the user's workload.
    pub pause: Duration,
    /// The minimum number of rounds.
    pub rounds: usize,
}

impl Effort {
    /// Creates the effort of a run that takes about `total`.
    pub const fn full(total: Duration) -> Effort {
        Effort { total, run: Duration::from_millis(20), divisor: 1, pause: Duration::MAX, rounds: 3 }
    }

    pub(crate) fn is_quick(&self) -> bool {
        self.divisor > 1
    }

    /// The effort of a run that only checks that everything works.
    pub const QUICK: Effort = Effort {
        total: Duration::from_secs(1),
        run: Duration::from_millis(2),
        divisor: 32,
        pause: Duration::from_micros(20),
        rounds: 2,
    };
}
