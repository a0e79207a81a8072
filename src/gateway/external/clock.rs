//! Which limit of time a program or its client comes to next.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::limits::Limits;

/// When what happened to a program.
#[derive(Debug)]
pub(in crate::gateway) struct Clock {
    started: Instant,
    /// Something moved, in whichever direction.
    moved: Instant,
    /// Since when the output goes nowhere.
    drained: Option<Instant>,
}

/// What a program is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Wait {
    /// The client, to take something.
    Client,
    /// The client, to send something.
    Upload,
    /// The program, to write its head.
    Head,
    /// The program, to go on or to end.
    Program,
}

/// What a program came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Limit {
    Waited(Wait),
    Drained,
    Total,
}

impl Clock {
    pub(in crate::gateway) fn start() -> Clock {
        let now = Instant::now();
        Clock { started: now, moved: now, drained: None }
    }

    pub(in crate::gateway) fn moves(&mut self) {
        self.moved = Instant::now();
    }

    /// The output goes nowhere from now on, if it did not already.
    pub(in crate::gateway) fn drains(&mut self) {
        self.drained.get_or_insert_with(Instant::now);
    }

    /// Ready when a limit is reached. The timer is set again only when it has run down, because nearly always something has
    /// moved by then.
    pub(in crate::gateway) fn poll(
        &self,
        wait: Wait,
        limits: &Limits,
        mut timer: Pin<&mut Sleep>,
        context: &mut Context<'_>,
    ) -> Poll<Limit> {
        let (at, limit) = self.next(wait, limits);
        if at < timer.deadline() {
            timer.as_mut().reset(at);
        }
        while timer.as_mut().poll(context).is_ready() {
            if timer.deadline() >= at {
                return Poll::Ready(limit);
            }
            timer.as_mut().reset(at);
        }
        Poll::Pending
    }

    /// The limit that is reached next if nothing moves, and when.
    pub(in crate::gateway) fn next(&self, wait: Wait, limits: &Limits) -> (Instant, Limit) {
        let first = match (self.drained, wait) {
            (Some(since), _) => (after(since, limits.drain_time), Limit::Drained),
            (None, Wait::Client) => (after(self.moved, limits.client), Limit::Waited(wait)),
            (None, Wait::Head) => (after(self.moved, limits.first_byte), Limit::Waited(wait)),
            (None, Wait::Upload | Wait::Program) => (after(self.moved, limits.idle), Limit::Waited(wait)),
        };
        match limits.total.map(|total| after(self.started, total)) {
            Some(total) if total < first.0 => (total, Limit::Total),
            _ => first,
        }
    }
}

/// A time too long to name is no limit.
pub(in crate::gateway) fn after(instant: Instant, duration: Duration) -> Instant {
    const LONG: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    instant.checked_add(duration.min(LONG)).unwrap_or(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirement_13_each_wait_has_its_limit() {
        let second = Duration::from_secs;
        let mut limits = Limits::default();
        (limits.first_byte, limits.idle, limits.client) = (second(1), second(2), second(3));
        (limits.drain_time, limits.total) = (second(4), None);
        let mut clock = Clock::start();
        for (wait, after) in [(Wait::Head, 1), (Wait::Upload, 2), (Wait::Program, 2), (Wait::Client, 3)] {
            assert_eq!(clock.next(wait, &limits), (clock.moved + second(after), Limit::Waited(wait)));
        }
        clock.drains();
        assert_eq!(clock.next(Wait::Head, &limits), (clock.drained.unwrap() + second(4), Limit::Drained));
        limits.total = Some(second(1));
        assert_eq!(clock.next(Wait::Client, &limits), (clock.started + second(1), Limit::Total));
        limits.total = Some(Duration::MAX);
        assert_eq!(clock.next(Wait::Head, &limits).1, Limit::Drained);
    }
}
