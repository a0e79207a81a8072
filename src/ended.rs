//! How each bridge ended, told to whoever asked for it. A bridge that nobody asks about has an empty one.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::runtime::contained::contained;
use crate::stats::Stats;

/// What a bridge came to. The first reason counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The program returned `Ok`, and everything that it wrote was pulled.
    Finished,
    /// The program returned an error, or could not be started.
    Failed,
    /// The program panicked.
    Panicked,
    /// The host went before the end.
    Disconnected,
    /// Nobody pulled for as long as the engine's `stall_timeout` says.
    TimedOut,
    /// The [`Pool`](crate::Pool) was shut down.
    ShutDown,
}

impl Outcome {
    /// What a bridge came to that ended with this.
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

/// In words, in small letters.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a bridge ended, as an engine's `on_end` is told.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended<'a> {
    /// In one word.
    pub outcome: Outcome,
    /// The error that it ended with, where there was one to be told.
    pub error: Option<&'a io::Error>,
    /// Where the program ran: `"local"`, `"thread"` or `"pool"`.
    pub engine: &'static str,
    /// The engine's `name`.
    pub name: Option<&'a str>,
    /// What was moved, and who waited for whom.
    pub stats: Stats,
    /// From the start of the program to this.
    pub duration: Duration,
}

pub(crate) type Hook = Arc<dyn Fn(&Ended<'_>) + Send + Sync>;

/// Held by the one side that knows how its bridge ends, and closed once.
#[derive(Default)]
pub(crate) struct Ledger(Option<Box<Entry>>);

struct Entry {
    engine: &'static str,
    name: Option<Arc<str>>,
    hook: Option<Hook>,
    /// `None` while nothing of the program has run.
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

    /// Nobody asks about the bridge, or all has been told.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The program starts, unless it has.
    #[inline]
    pub(crate) fn begin(&mut self) {
        if let Some(entry) = &mut self.0 {
            entry.begin();
        }
    }

    /// The bridge has ended so. What comes after the first time is not told, nor the end of what never began.
    #[inline]
    pub(crate) fn close(&mut self, outcome: Outcome, error: Option<&io::Error>, stats: impl FnOnce() -> Stats) {
        if let Some(entry) = self.0.take() {
            entry.close(outcome, error, stats());
        }
    }

    /// What the program runs in.
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
        // Whoever is told is not to be the end of the bridge.
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

/// The same for whoever collects spans.
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
