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
    /// Since when a request has been coming.
    begun: Option<Instant>,
    /// Since when a write has been waiting.
    held: Option<Instant>,
    time: Pin<Box<Sleep>>,
}

impl Watch {
    pub(in crate::host) fn new(limits: &Limits) -> Watch {
        let (head_time, stall) = (limits.head_time, limits.stall);
        Watch { head_time, stall, begun: None, held: None, time: Box::pin(sleep(head_time.min(stall))) }
    }

    /// Whether a request is on its way, and not there.
    pub(in crate::host) fn begun(&mut self, is_begun: bool) {
        note(&mut self.begun, is_begun);
    }

    /// Whether a write waits. `moved`: something of it was taken just now.
    pub(in crate::host) fn held(&mut self, is_held: bool, moved: bool) {
        if moved {
            self.held = None;
        }
        note(&mut self.held, is_held);
    }

    /// Ready when a limit was reached.
    pub(in crate::host) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Overdue> {
        loop {
            ready!(self.time.as_mut().poll(context));
            let now = Instant::now();
            let mut next = now + self.head_time.min(self.stall);
            for (since, time, overdue) in
                [(self.begun, self.head_time, Overdue::Head), (self.held, self.stall, Overdue::Stalled)]
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

fn note(since: &mut Option<Instant>, is_so: bool) {
    match (is_so, &since) {
        (true, None) => *since = Some(Instant::now()),
        (false, Some(_)) => *since = None,
        _ => {}
    }
}
