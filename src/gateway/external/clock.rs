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
    /// What is waited for.
    wait: Wait,
    /// Since when, or something moved since.
    moved: Instant,
    /// Since when the output goes nowhere.
    drained: Option<Instant>,
}

/// What a program is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Wait {
    /// The client, to take something.
    Client,
    /// The same, and the server keeps the client to its limit, as it sees on the socket.
    Server,
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
        Clock { started: now, wait: Wait::Head, moved: now, drained: None }
    }

    pub(in crate::gateway) fn moves(&mut self) {
        self.moved = Instant::now();
    }

    /// The output goes nowhere from now on, if it did not already.
    pub(in crate::gateway) fn drains(&mut self) {
        self.drained.get_or_insert_with(Instant::now);
    }

    /// Ready when a limit is reached. What one side took of its time is not the other's. The timer is set again only when it
    /// has run down, because nearly always something has moved by then.
    pub(in crate::gateway) fn poll(
        &mut self,
        wait: Wait,
        limits: &Limits,
        mut timer: Pin<&mut Sleep>,
        context: &mut Context<'_>,
    ) -> Poll<Limit> {
        if self.wait != wait {
            self.wait = wait;
            self.moves();
        }
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
            (None, Wait::Server) => (after(self.moved, Duration::MAX), Limit::Waited(wait)),
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
        assert!(clock.next(Wait::Server, &limits).0 > clock.moved + second(1_000_000));
        clock.drains();
        assert_eq!(clock.next(Wait::Head, &limits), (clock.drained.unwrap() + second(4), Limit::Drained));
        limits.total = Some(second(1));
        assert_eq!(clock.next(Wait::Client, &limits), (clock.started + second(1), Limit::Total));
        limits.total = Some(Duration::MAX);
        assert_eq!(clock.next(Wait::Head, &limits).1, Limit::Drained);
    }

    #[tokio::test]
    async fn requirement_13_what_the_client_took_of_its_time_is_not_the_programs() {
        let mut limits = Limits::default();
        (limits.idle, limits.client) = (Duration::from_millis(1), Duration::from_secs(3600));
        let mut clock = Clock::start();
        // The client was waited for all that time.
        (clock.wait, clock.moved) = (Wait::Client, clock.started - limits.idle);
        let mut timer = std::pin::pin!(tokio::time::sleep_until(clock.started));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(clock.poll(Wait::Program, &limits, timer.as_mut(), &mut context).is_pending());
        let since = clock.moved;
        let limit = std::future::poll_fn(|context| clock.poll(Wait::Program, &limits, timer.as_mut(), context)).await;
        assert_eq!((limit, clock.moved), (Limit::Waited(Wait::Program), since));
    }
}
