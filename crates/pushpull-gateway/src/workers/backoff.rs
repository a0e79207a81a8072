//! When a worker that has ended is started again.

use std::time::Duration;

/// The pause before the second start in a row. It doubles up to the maximum.
const FIRST: Duration = Duration::from_secs(1);
const MAX: Duration = Duration::from_secs(30);

/// Counts the workers that ended soon, one after the other.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    in_a_row: u32,
}

impl Backoff {
    /// Returns the pause after a worker that lived for this time. The first worker that ends is replaced at once.
    pub(super) fn pause(&mut self, lived: Duration) -> Duration {
        if lived >= MAX {
            self.in_a_row = 0;
        }
        let pause = match self.in_a_row {
            0 => Duration::ZERO,
            count => FIRST.saturating_mul(1 << (count - 1).min(16)).min(MAX),
        };
        self.in_a_row = self.in_a_row.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_until_a_worker_lives() {
        let mut backoff = Backoff::default();
        let mut pauses = |lived, count| (0..count).map(|_| backoff.pause(lived).as_secs()).collect::<Vec<_>>();
        assert_eq!(pauses(Duration::ZERO, 8), [0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pauses(Duration::from_secs(29), 40), [30; 40]);
        assert_eq!(pauses(Duration::from_secs(30), 3), [0; 3]);
        assert_eq!(pauses(Duration::ZERO, 2), [1, 2]);
    }
}
