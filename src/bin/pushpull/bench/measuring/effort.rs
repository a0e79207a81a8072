//! How much is measured.

use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// All of it.
    pub total: Duration,
    /// About one run, where a pace decides how long it takes.
    pub run: Duration,
    /// What runs at full speed moves so many times less.
    pub divisor: usize,
    /// The least number of rounds.
    pub rounds: usize,
}

impl Effort {
    pub const fn full(total: Duration) -> Effort {
        Effort { total, run: Duration::from_millis(20), divisor: 1, rounds: 3 }
    }

    /// Only to see that it works.
    pub const QUICK: Effort =
        Effort { total: Duration::from_secs(1), run: Duration::from_millis(2), divisor: 32, rounds: 2 };
}
