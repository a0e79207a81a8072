//! The `tracing` spans of a suspended program.
//!
//! A subscriber keeps the entered spans for each thread. A program that is suspended inside a span would leave the span
//! to its caller and to the thread's other programs, and would resume in theirs. So a program leaves its spans at each
//! suspension and enters them again when it is resumed, as an instrumented future does at each poll.

use tracing::dispatcher::{self, Dispatch};
use tracing::level_filters::LevelFilter;
use tracing::span::Id;

/// More spans than any program enters. The limit is for a subscriber that does not update its current span.
const MAX_LEFT: usize = 1000;

/// The spans of one program. The box is made when a subscriber is active at one of the program's switches.
#[derive(Default)]
pub(crate) struct Spans(Option<Box<Left>>);

#[derive(Default)]
struct Left {
    /// The spans that the program has left, the innermost first. Each holds a reference to its span.
    spans: Vec<Id>,
    /// The subscriber of these spans.
    subscriber: Option<Dispatch>,
    /// The caller's subscriber and span while the program runs.
    host: Option<Host>,
    /// The caller's span, if the program is known not to have entered it again.
    single: Option<Id>,
}

struct Host {
    subscriber: Dispatch,
    span: Option<Id>,
}

impl Spans {
    /// Enters the program's spans inside those of its caller. Returns `true` if the program must leave them.
    #[inline]
    pub(crate) fn enter(&mut self) -> bool {
        // Every subscriber that listens to anything sets another level.
        let listens = LevelFilter::current() != LevelFilter::OFF;
        if listens {
            self.0.get_or_insert_default().enter();
        }
        listens
    }

    /// Leaves the program's spans when it is suspended or has ended.
    #[inline]
    pub(crate) fn leave(&mut self, entered: bool) {
        if entered && let Some(left) = &mut self.0 {
            left.leave();
        }
    }
}

impl Left {
    #[cold]
    fn enter(&mut self) {
        let host = |subscriber: &Dispatch| Host { span: current(subscriber), subscriber: subscriber.clone() };
        self.host = Some(dispatcher::get_default(host));
        if let Some(subscriber) = self.subscriber.take() {
            while let Some(span) = self.spans.pop() {
                subscriber.enter(&span);
                subscriber.try_close(span);
            }
        }
    }

    #[cold]
    fn leave(&mut self) {
        if let Some(Host { subscriber, span }) = self.host.take() {
            self.leave_all(&subscriber, span);
        }
    }

    fn leave_all(&mut self, subscriber: &Dispatch, host: Option<Id>) {
        while self.spans.len() < MAX_LEFT
            && let Some(span) = current(subscriber).filter(|span| host.as_ref() != Some(span))
        {
            self.leave_one(subscriber, &span);
        }
        if let Some(host) = host
            && current(subscriber).as_ref() == Some(&host)
        {
            self.leave_second(subscriber, host);
        }
        if !self.spans.is_empty() {
            self.subscriber = Some(subscriber.clone());
        }
    }

    /// Leaves the caller's span as often as the program has entered it again, as with the caller's `Span::current()`.
    /// Only leaving the span shows whether it was entered again. So this is tried once for each span of a caller, and
    /// then as long as it succeeds.
    fn leave_second(&mut self, subscriber: &Dispatch, host: Id) {
        if self.single.as_ref() == Some(&host) {
            return;
        }
        let before = self.spans.len();
        while self.spans.len() < MAX_LEFT && {
            subscriber.exit(&host);
            current(subscriber).as_ref() == Some(&host)
        } {
            self.spans.push(subscriber.clone_span(&host));
        }
        // The last one left was the caller's own.
        subscriber.enter(&host);
        self.single = (self.spans.len() == before).then_some(host);
    }

    fn leave_one(&mut self, subscriber: &Dispatch, span: &Id) {
        self.spans.push(subscriber.clone_span(span));
        subscriber.exit(span);
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        if let Some(subscriber) = self.subscriber.take() {
            while let Some(span) = self.spans.pop() {
                subscriber.try_close(span);
            }
        }
    }
}

/// Returns the span that this thread is in. `None` also if the subscriber does not report it.
fn current(subscriber: &Dispatch) -> Option<Id> {
    subscriber.current_span().id().cloned()
}
