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
    /// A pause of a case of one's own is no longer than this.
    pub pause: Duration,
    /// The least number of rounds.
    pub rounds: usize,
}

impl Effort {
    pub const fn full(total: Duration) -> Effort {
        Effort { total, run: Duration::from_millis(20), divisor: 1, pause: Duration::MAX, rounds: 3 }
    }

    /// Only to see that it works.
    pub const QUICK: Effort = Effort {
        total: Duration::from_secs(1),
        run: Duration::from_millis(2),
        divisor: 32,
        pause: Duration::from_micros(20),
        rounds: 2,
    };
}
