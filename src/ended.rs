//! Reports of how each bridge ended. A bridge without a hook or a `tracing` subscriber has an empty ledger.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::runtime::contained::contained;
use crate::stats::Stats;

/// The way in which a bridge ended. The first reason counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The program returned `Ok`, and everything that it wrote was pulled.
    Finished,
    /// The program returned an error, or could not be started.
    Failed,
    /// The program panicked.
    Panicked,
    /// The caller's end was dropped before the bridge had ended.
    Disconnected,
    /// The reader pulled nothing for the engine's `stall_timeout`.
    TimedOut,
    /// The [`Pool`](crate::Pool) was shut down.
    ShutDown,
}

impl Outcome {
    /// Returns the outcome of a bridge that ended with `end`.
    pub(crate) fn of(end: Option<&io::Error>) -> Outcome {
        match end.map(Error::of) {
            None => Outcome::Finished,
            Some(Some(error)) if error.is_panic() => Outcome::Panicked,
            Some(Some(error)) if error.is_disconnected() => Outcome::Disconnected,
            Some(Some(error)) if error.is_stalled() => Outcome::TimedOut,
            Some(Some(error)) if error.is_shut_down() => Outcome::ShutDown,
            Some(_) => Outcome::Failed,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Outcome::Finished => "finished",
            Outcome::Failed => "failed",
            Outcome::Panicked => "panicked",
            Outcome::Disconnected => "disconnected",
            Outcome::TimedOut => "timed out",
            Outcome::ShutDown => "shut down",
        }
    }
}

/// Writes the outcome in lower-case words.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The end of a bridge, as passed to an engine's `on_end` hook.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended<'a> {
    /// The way in which the bridge ended.
    pub outcome: Outcome,
    /// The error with which the bridge ended, if there was one to report.
    pub error: Option<&'a io::Error>,
    /// The engine that ran the program: `"local"`, `"thread"` or `"pool"`.
    pub engine: &'static str,
    /// The engine's `name`.
    pub name: Option<&'a str>,
    /// The counts of the bridge: bytes, chunks and waits.
    pub stats: Stats,
    /// The time from the start of the program to the end of the bridge.
    pub duration: Duration,
}

pub(crate) type Hook = Arc<dyn Fn(&Ended<'_>) + Send + Sync>;

/// The report of one bridge. Held by the side that knows how the bridge ends, and closed once.
#[derive(Default)]
pub(crate) struct Ledger(Option<Box<Entry>>);

struct Entry {
    engine: &'static str,
    name: Option<Arc<str>>,
    hook: Option<Hook>,
    /// `None` until the program starts.
    began: Option<Instant>,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Ledger {
    #[inline]
    pub(crate) fn open(engine: &'static str, name: Option<&Arc<str>>, hook: Option<&Hook>) -> Ledger {
        if hook.is_none() && !trace::is_wanted() { Ledger(None) } else { Ledger::written(engine, name, hook) }
    }

    #[cold]
    fn written(engine: &'static str, name: Option<&Arc<str>>, hook: Option<&Hook>) -> Ledger {
        Ledger(Some(Box::new(Entry {
            engine,
            name: name.cloned(),
            hook: hook.cloned(),
            began: None,
            #[cfg(feature = "tracing")]
            span: tracing::Span::none(),
        })))
    }

    /// Returns `true` if no report is wanted, or the report has been made.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Records the start of the program, the first time.
    #[inline]
    pub(crate) fn begin(&mut self) {
        if let Some(entry) = &mut self.0 {
            entry.begin();
        }
    }

    /// Reports the end of the bridge, the first time. If the program never started, nothing is reported.
    #[inline]
    pub(crate) fn close(&mut self, outcome: Outcome, error: Option<&io::Error>, stats: impl FnOnce() -> Stats) {
        if let Some(entry) = self.0.take() {
            entry.close(outcome, error, stats());
        }
    }

    /// Returns the span in which the program runs.
    #[cfg(feature = "tracing")]
    pub(crate) fn span(&self) -> Option<tracing::Span> {
        self.0.as_ref().map(|entry| entry.span.clone())
    }
}

impl Entry {
    #[cold]
    fn begin(&mut self) {
        if self.began.is_none() {
            self.began = Some(Instant::now());
            #[cfg(feature = "tracing")]
            {
                self.span = trace::open(self.engine, self.name.as_deref());
            }
        }
    }

    #[cold]
    fn close(self: Box<Self>, outcome: Outcome, error: Option<&io::Error>, stats: Stats) {
        let Some(began) = self.began else { return };
        let (engine, name, duration) = (self.engine, self.name.as_deref(), began.elapsed());
        let ended = Ended { outcome, error, engine, name, stats, duration };
        // A panic in the hook or the subscriber must not reach the bridge.
        contained(|| {
            #[cfg(feature = "tracing")]
            trace::close(&self.span, &ended);
            if let Some(hook) = &self.hook {
                hook(&ended);
            }
        });
        contained(|| drop(self));
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ledger").field(&self.0.as_ref().map(|entry| entry.began)).finish()
    }
}

/// Reports to `tracing` subscribers.
#[cfg(feature = "tracing")]
mod trace {
    use tracing::field::Empty;
    use tracing::{Level, Span};

    use super::Ended;

    pub(super) fn is_wanted() -> bool {
        tracing::span_enabled!(target: "pushpull::bridge", Level::DEBUG)
    }

    pub(super) fn open(engine: &str, name: Option<&str>) -> Span {
        tracing::debug_span!(target: "pushpull::bridge", "bridge", engine, name, outcome = Empty, bytes = Empty)
    }

    pub(super) fn close(span: &Span, ended: &Ended<'_>) {
        let (outcome, stats) = (ended.outcome.as_str(), &ended.stats);
        span.record("outcome", outcome);
        span.record("bytes", stats.bytes);
        let error = ended.error.map(tracing::field::display);
        tracing::debug!(
            target: "pushpull::bridge", parent: span, outcome, error, bytes = stats.bytes, chunks = stats.chunks,
            duration = ?ended.duration, "ended"
        );
    }
}

#[cfg(not(feature = "tracing"))]
mod trace {
    #[inline]
    pub(super) const fn is_wanted() -> bool {
        false
    }
}
