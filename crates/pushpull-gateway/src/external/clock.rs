//! Finds the time limit that a program or its client reaches next.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::limits::ProgramLimits;

/// How long a program's exit status is waited for when nothing else can follow: its output is closed, or its response
/// is a redirect. After this time the response ends without the status.
const STATUS_TIME: Duration = Duration::from_secs(1);

/// How long each next byte of the output is waited for after the program has ended. A filter that the program started
/// may still be writing.
pub(crate) const REST_TIME: Duration = Duration::from_secs(1);

/// After `LONG_REST`, each next byte is waited for only `SHORT_REST_TIME`: output without pauses still arrives, and
/// occasional output no longer holds the response.
const LONG_REST: Duration = Duration::from_secs(10);
const SHORT_REST_TIME: Duration = Duration::from_millis(100);

/// The times of a program's events.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    /// What the response waits for.
    wait: Wait,
    /// When the wait began, or something last moved.
    moved: Instant,
    /// Since when only the exit status can follow.
    closed: Option<Instant>,
    /// When the response was complete.
    completed: Option<Instant>,
    /// When the program ended.
    ended: Option<Instant>,
}

/// What a response waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// For the client to read.
    Client,
    /// For the client to read, under the limit of the server, which sees the socket.
    Server,
    /// For the client to send more of its body.
    Upload,
    /// For the program to write its head.
    Head,
    /// For the program to write or to end.
    Program,
    /// For the program to end, because its output has ended.
    Status,
    /// For other processes, which inherited the program's output, to close it.
    Rest,
    /// For the program to end by itself after a complete response.
    Work,
}

/// The limit that a program has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Waited(Wait),
    Drained,
    Total,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        let now = Instant::now();
        Clock { started: now, wait: Wait::Head, moved: now, closed: None, completed: None, ended: None }
    }

    pub(crate) fn moves(&mut self) {
        self.moved = Instant::now();
    }

    /// Notes that only the exit status can follow, unless that was noted before.
    pub(crate) fn closes(&mut self) {
        self.closed.get_or_insert_with(Instant::now);
    }

    /// Notes that the response is complete, unless that was noted before.
    pub(crate) fn completes(&mut self) {
        self.completed.get_or_insert_with(Instant::now);
    }

    /// Notes that the program has ended.
    pub(crate) fn ends(&mut self) {
        self.moves();
        self.ended = Some(self.moved);
    }

    /// Returns `true` if the response has been complete for longer than `time`.
    pub(crate) fn has_been_complete_for(&self, time: Duration) -> bool {
        self.completed.is_some_and(|completed| completed.elapsed() > time)
    }

    /// Polls for a limit that is reached. If `wait` changes, its time starts anew: time that the client takes does not
    /// count for the program. The timer is prolonged only when it expires, because by then something has nearly always
    /// moved.
    pub(crate) fn poll(
        &mut self,
        wait: Wait,
        limits: &ProgramLimits,
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

    /// Returns the limit that is reached next if nothing moves, and when.
    pub(crate) fn next(&self, wait: Wait, limits: &ProgramLimits) -> (Instant, Limit) {
        let (since, time) = match wait {
            Wait::Server => (self.moved, Duration::MAX),
            Wait::Client => (self.moved, limits.get_timeout_client()),
            Wait::Head => (self.moved, limits.get_timeout_first_byte()),
            Wait::Upload | Wait::Program => (self.moved, limits.get_timeout_idle()),
            Wait::Status => (self.closed.unwrap_or(self.moved), STATUS_TIME),
            Wait::Rest if self.ended.is_some_and(|ended| self.moved - ended > LONG_REST) => {
                (self.moved, SHORT_REST_TIME)
            }
            Wait::Rest => (self.moved, REST_TIME),
            Wait::Work => (self.completed.unwrap_or(self.moved), limits.get_timeout_work()),
        };
        let first = (after(since, time), Limit::Waited(wait));
        let total = after(self.started, limits.get_timeout_total());
        if total < first.0 { (total, Limit::Total) } else { first }
    }
}

/// Returns the instant after `duration`, limited to 30 years because `Duration::MAX` would overflow.
pub(crate) fn after(instant: Instant, duration: Duration) -> Instant {
    const LONG: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    instant.checked_add(duration.min(LONG)).unwrap_or(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirement_13_each_wait_has_its_limit() {
        let second = Duration::from_secs;
        let limits = ProgramLimits::new().timeout_first_byte(second(1)).timeout_idle(second(2));
        let limits = limits.timeout_client(second(3)).timeout_work(second(4));
        let mut clock = Clock::start();
        for (wait, after) in [(Wait::Head, 1), (Wait::Upload, 2), (Wait::Program, 2), (Wait::Client, 3)] {
            assert_eq!(clock.next(wait, &limits), (clock.moved + second(after), Limit::Waited(wait)));
        }
        assert!(clock.next(Wait::Server, &limits).0 > clock.moved + second(1_000_000));
        clock.ends();
        assert_eq!(clock.next(Wait::Rest, &limits).0, clock.moved + REST_TIME);
        clock.moved += second(11);
        assert_eq!(clock.next(Wait::Rest, &limits).0, clock.moved + SHORT_REST_TIME);
        clock.closes();
        assert_eq!(clock.next(Wait::Status, &limits).0, clock.closed.unwrap() + STATUS_TIME);
        clock.completes();
        assert_eq!(clock.next(Wait::Work, &limits).0, clock.completed.unwrap() + second(4));
        let limits = limits.timeout_total(second(1));
        assert_eq!(clock.next(Wait::Client, &limits), (clock.started + second(1), Limit::Total));
        let limits = limits.timeout_total(Duration::MAX);
        assert_eq!(clock.next(Wait::Head, &limits).1, Limit::Waited(Wait::Head));
    }

    #[test]
    fn requirement_14_work_after_the_response_is_unlimited_by_default() {
        let mut clock = Clock::start();
        clock.completes();
        let day = Duration::from_secs(24 * 3600);
        assert!(clock.next(Wait::Work, &ProgramLimits::default()).0 > clock.started + 365 * day);
    }

    #[tokio::test]
    async fn requirement_13_time_that_the_client_takes_does_not_count_for_the_program() {
        let idle = Duration::from_millis(1);
        let limits = ProgramLimits::new().timeout_idle(idle).timeout_client(Duration::from_secs(3600));
        let mut clock = Clock::start();
        // The clock waited for the client all that time.
        (clock.wait, clock.moved) = (Wait::Client, clock.started - idle);
        let mut timer = std::pin::pin!(tokio::time::sleep_until(clock.started));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(clock.poll(Wait::Program, &limits, timer.as_mut(), &mut context).is_pending());
        let since = clock.moved;
        let limit = std::future::poll_fn(|context| clock.poll(Wait::Program, &limits, timer.as_mut(), context)).await;
        assert_eq!((limit, clock.moved), (Limit::Waited(Wait::Program), since));
    }
}
