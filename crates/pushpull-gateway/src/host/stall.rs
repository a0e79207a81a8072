//! Detection of a client that reads nothing of what waits to be sent.

use std::time::Duration;

use tokio::time::Instant;

/// The clock of a write that waits for the client.
///
/// The system reports room in a socket only when a third of its buffer is free, which may be 1 MiB. A client that reads
/// less than that still makes progress. Therefore a write is tried a few times before the limit, and once more at the
/// limit.
#[derive(Debug)]
pub(super) struct Stall {
    limit: Duration,
    /// The time since which the client has read nothing.
    since: Option<Instant>,
    /// `true` once the limit is reached and the last write is being tried.
    is_last: bool,
}

/// The next step for a write that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing waits.
    Well,
    /// Try a write now, and look again at this time.
    Try(Instant),
    Over,
}

/// The time for the tried write, which is made in the same turn of the runtime.
const TURN: Duration = Duration::from_millis(1);

impl Stall {
    pub(super) fn new(limit: Duration) -> Stall {
        Stall { limit, since: None, is_last: false }
    }

    /// Starts the clock, unless it runs: a write waits.
    pub(super) fn held(&mut self) {
        if self.since.is_none() {
            self.since = Some(Instant::now());
        }
    }

    /// Stops the clock: bytes were sent, or nothing waits.
    pub(super) fn moved(&mut self) {
        (self.since, self.is_last) = (None, false);
    }

    pub(super) fn look(&mut self, now: Instant) -> Look {
        let Some(since) = self.since else { return Look::Well };
        let due = since + self.limit;
        if now < due {
            return Look::Try(due.min(now + (self.limit / 4).max(TURN)));
        }
        if std::mem::replace(&mut self.is_last, true) { Look::Over } else { Look::Try(now + TURN) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirement_13_a_write_is_tried_until_the_time_is_over_and_once_more() {
        let limit = Duration::from_secs(4);
        let mut stall = Stall::new(limit);
        assert_eq!(stall.look(Instant::now()), Look::Well);
        stall.held();
        let since = stall.since.unwrap();
        stall.held();
        assert_eq!(stall.since, Some(since), "a write that still waits gets no new time");
        assert_eq!(stall.look(since), Look::Try(since + limit / 4));
        assert_eq!(stall.look(since + limit / 8 * 7), Look::Try(since + limit));
        assert_eq!(stall.look(since + limit), Look::Try(since + limit + TURN));
        assert_eq!(stall.look(since + limit + TURN), Look::Over);
        stall.moved();
        assert_eq!(stall.look(since + limit * 2), Look::Well);
        stall.held();
        assert!(matches!(stall.look(stall.since.unwrap() + limit), Look::Try(_)), "the last try is available again");
    }
}
