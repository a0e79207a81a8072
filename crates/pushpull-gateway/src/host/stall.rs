//! Since when the other side of a connection has taken nothing of what waits to be sent.

use std::time::Duration;

use tokio::time::Instant;

/// The clock of a write that waits.
///
/// The system says that there is room in a socket when a third of its buffer is free, which may be a mebibyte. A client that
/// takes less makes progress too: so before its time is over, and a few times until then, a write is tried all the same.
#[derive(Debug)]
pub(super) struct Stall {
    limit: Duration,
    /// Since when nothing has been taken.
    since: Option<Instant>,
    /// The time is over, and a last write is tried.
    is_last: bool,
}

/// What is to be done about a write that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing waits.
    Well,
    /// A write is to be tried now, and then looked again.
    Try(Instant),
    Over,
}

/// How long a write that is tried may take: it is made in the same turn.
const TURN: Duration = Duration::from_millis(1);

impl Stall {
    pub(super) fn new(limit: Duration) -> Stall {
        Stall { limit, since: None, is_last: false }
    }

    /// A write waits.
    pub(super) fn held(&mut self) {
        if self.since.is_none() {
            self.since = Some(Instant::now());
        }
    }

    /// Something was taken, or nothing waits.
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
        assert_eq!(stall.since, Some(since), "what goes on waiting has no more time");
        assert_eq!(stall.look(since), Look::Try(since + limit / 4));
        assert_eq!(stall.look(since + limit / 8 * 7), Look::Try(since + limit));
        assert_eq!(stall.look(since + limit), Look::Try(since + limit + TURN));
        assert_eq!(stall.look(since + limit + TURN), Look::Over);
        stall.moved();
        assert_eq!(stall.look(since + limit * 2), Look::Well);
        stall.held();
        assert!(matches!(stall.look(stall.since.unwrap() + limit), Look::Try(_)), "it has a last try again");
    }
}
