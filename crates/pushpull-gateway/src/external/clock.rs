//! Which limit of time a program or its client comes to next.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::limits::ProgramLimits;

/// How long the exit status of a program is waited for when nothing else can follow: its output is closed, or it
/// redirects. The response ends without the status then.
const STATUS_TIME: Duration = Duration::from_secs(1);

/// How long the end of the output is waited for once its program has gone, after the last byte: a filter that the program
/// started may still be writing.
pub(crate) const REST_TIME: Duration = Duration::from_secs(1);

/// After so long a time only the next byte of one that writes without a pause is waited for, so that one that writes now and
/// then does not hold the response.
const LONG_REST: Duration = Duration::from_secs(10);
const SHORT_REST_TIME: Duration = Duration::from_millis(100);

/// When what happened to a program.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    /// What is waited for.
    wait: Wait,
    /// Since when, or something moved since.
    moved: Instant,
    /// Only the exit status can still follow.
    closed: Option<Instant>,
    /// The response was complete.
    completed: Option<Instant>,
    /// The program had ended.
    ended: Option<Instant>,
}

/// What a program is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
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
    /// The program, to end now that its output has.
    Status,
    /// Others that the program has left its output to, to end it.
    Rest,
    /// The program, to end by itself after a complete response.
    Work,
}

/// What a program came to.
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

    /// From now on only the exit status can follow, if that was not so already.
    pub(crate) fn closes(&mut self) {
        self.closed.get_or_insert_with(Instant::now);
    }

    /// The response is complete from now on, if it was not already.
    pub(crate) fn completes(&mut self) {
        self.completed.get_or_insert_with(Instant::now);
    }

    /// The program has ended.
    pub(crate) fn ends(&mut self) {
        self.moves();
        self.ended = Some(self.moved);
    }

    /// Returns `true` if the response was complete before that long a time.
    pub(crate) fn has_been_complete_for(&self, time: Duration) -> bool {
        self.completed.is_some_and(|completed| completed.elapsed() > time)
    }

    /// Ready when a limit is reached. What one side took of its time is not the other's. The timer is set again only when it
    /// has run down, because nearly always something has moved by then.
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

    /// The limit that is reached next if nothing moves, and when.
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

/// A time too long to name is no limit.
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
    fn requirement_14_a_program_may_work_on_after_its_response_as_long_as_it_likes() {
        let mut clock = Clock::start();
        clock.completes();
        let day = Duration::from_secs(24 * 3600);
        assert!(clock.next(Wait::Work, &ProgramLimits::default()).0 > clock.started + 365 * day);
    }

    #[tokio::test]
    async fn requirement_13_what_the_client_took_of_its_time_is_not_the_programs() {
        let idle = Duration::from_millis(1);
        let limits = ProgramLimits::new().timeout_idle(idle).timeout_client(Duration::from_secs(3600));
        let mut clock = Clock::start();
        // The client was waited for all that time.
        (clock.wait, clock.moved) = (Wait::Client, clock.started - idle);
        let mut timer = std::pin::pin!(tokio::time::sleep_until(clock.started));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(clock.poll(Wait::Program, &limits, timer.as_mut(), &mut context).is_pending());
        let since = clock.moved;
        let limit = std::future::poll_fn(|context| clock.poll(Wait::Program, &limits, timer.as_mut(), context)).await;
        assert_eq!((limit, clock.moved), (Limit::Waited(Wait::Program), since));
    }
}
