//! Since when a front server has been waited for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::host::Limits;

/// What a front server has not done in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::host) enum Overdue {
    /// A request that was begun is not there.
    Head,
    /// What waits to be sent is not taken.
    Stalled,
}

/// The clock of a connection.
#[derive(Debug)]
pub(in crate::host) struct Watch {
    head_time: Duration,
    stall: Duration,
    /// Which request is coming, and since when.
    begun: Option<(u16, Instant)>,
    /// Since when a write has been waiting.
    held: Option<Instant>,
    time: Pin<Box<Sleep>>,
}

impl Watch {
    pub(in crate::host) fn new(limits: &Limits) -> Watch {
        let (head_time, stall) = (limits.head_time, limits.stall);
        Watch { head_time, stall, begun: None, held: None, time: Box::pin(sleep(head_time.min(stall))) }
    }

    /// Which request, by its id on this connection, is on its way and not there; of several the oldest. Each has a time of
    /// its own: where one is always coming, none of them may be late.
    pub(in crate::host) fn begun(&mut self, which: Option<u16>) {
        if self.begun.map(|(id, _)| id) != which {
            self.begun = which.map(|id| (id, Instant::now()));
        }
    }

    /// Whether a write waits. `moved`: something of it was taken just now.
    pub(in crate::host) fn held(&mut self, is_held: bool, moved: bool) {
        if moved {
            self.held = None;
        }
        match (is_held, self.held) {
            (true, None) => self.held = Some(Instant::now()),
            (false, Some(_)) => self.held = None,
            _ => {}
        }
    }

    /// Ready when a limit was reached.
    pub(in crate::host) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Overdue> {
        loop {
            ready!(self.time.as_mut().poll(context));
            let now = Instant::now();
            let mut next = now + self.head_time.min(self.stall);
            let begun = self.begun.map(|(_, since)| since);
            for (since, time, overdue) in
                [(begun, self.head_time, Overdue::Head), (self.held, self.stall, Overdue::Stalled)]
            {
                match since.map(|since| since + time) {
                    Some(due) if due <= now => return Poll::Ready(overdue),
                    Some(due) => next = next.min(due),
                    None => {}
                }
            }
            self.time.as_mut().reset(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requirement_13_each_request_of_a_connection_has_a_time_of_its_own() {
        let mut watch = Watch::new(&Limits::new());
        watch.begun(Some(1));
        let first = watch.begun;
        watch.begun(Some(1));
        assert_eq!(watch.begun, first, "one that goes on coming has no more time");
        watch.begun(Some(2));
        let second = watch.begun;
        assert!(second.is_some_and(|(id, since)| id == 2 && first.is_some_and(|(_, before)| since >= before)));
        watch.begun(None);
        assert_eq!(watch.begun, None);
    }
}
