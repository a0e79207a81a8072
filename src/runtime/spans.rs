//! The spans that a suspended program is in, for `tracing`.
//!
//! A subscriber keeps the spans that were entered for each thread. A program that is suspended inside one would leave it
//! there for its host and for the other programs of the thread, and would find theirs when it goes on. So it leaves its
//! spans at each suspension and enters them again when it is resumed, as an instrumented future does at each poll.

use tracing::dispatcher::{self, Dispatch};
use tracing::level_filters::LevelFilter;
use tracing::span::Id;

/// More than any program is in. A subscriber for which leaving a span changes nothing is given up after so many.
const MAX_LEFT: usize = 1000;

/// The spans of one program. In a box that it has when a subscriber has listened at one of its switches.
#[derive(Default)]
pub(crate) struct Spans(Option<Box<Left>>);

#[derive(Default)]
struct Left {
    /// Those that it has left, the innermost first. Each counts as a handle to its span.
    spans: Vec<Id>,
    /// Whose they are.
    subscriber: Option<Dispatch>,
    /// What the host is in while the program runs.
    host: Option<Host>,
    /// The host's span that the program is known not to have entered a second time.
    single: Option<Id>,
}

struct Host {
    subscriber: Dispatch,
    span: Option<Id>,
}

impl Spans {
    /// The program goes on, in its host's spans and its own. Returns whether it has to leave them.
    #[inline]
    pub(crate) fn enter(&mut self) -> bool {
        // Another level is set by every subscriber that listens to anything.
        let listens = LevelFilter::current() != LevelFilter::OFF;
        if listens {
            self.0.get_or_insert_default().enter();
        }
        listens
    }

    /// The program is suspended, or has ended.
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

    /// A program may have entered the span of its host, as it does with a `Span::current()` of the host's. Whether it has is
    /// seen only when that is left, and so is looked at once for each span of a host, and then as long as it has.
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
        // The last was the host's own.
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

/// The span that this thread is in. `None` also from a subscriber that does not say.
fn current(subscriber: &Dispatch) -> Option<Id> {
    subscriber.current_span().id().cloned()
}
