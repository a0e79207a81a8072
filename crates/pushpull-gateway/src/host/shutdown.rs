//! The signal that stops a server.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::sys::signals;

/// The time in which a connection may begin its first request when the server closes: what is accepted is answered.
const FIRST_TIME: Duration = Duration::from_millis(500);

/// A handle that stops a [`Server`](super::Server) in two steps: [`begin`](Shutdown::begin), then
/// [`cut`](Shutdown::cut). Clones share their state. A server inserts a clone into the extensions of each request.
#[derive(Clone)]
pub struct Shutdown(Arc<State>);

struct State {
    stage: watch::Sender<Stage>,
    began: OnceLock<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Running,
    /// The shutdown has begun; connections are still accepted during the notice.
    Leaving,
    /// No new connections are accepted; running responses may finish.
    Closing,
    /// Running responses are cut.
    Cut,
    /// The server returns without waiting.
    Now,
}

impl Shutdown {
    /// Creates a handle that only the caller triggers.
    pub fn new() -> Shutdown {
        Shutdown(Arc::new(State { stage: watch::Sender::new(Stage::Running), began: OnceLock::new() }))
    }

    /// Creates a handle that SIGTERM, SIGINT, SIGHUP and SIGQUIT trigger: the first signal begins the shutdown, the
    /// second cuts. Signals are caught from when this function returns, so bind the server's socket after it.
    ///
    /// SIGUSR1, SIGUSR2, SIGALRM and SIGXFSZ no longer end the process. Without SIGXFSZ, a write beyond the file size
    /// limit returns an error. Programs that the process starts have the default action of all these signals.
    ///
    /// On Windows Ctrl-C, Ctrl-Break, a closed console and the end of the session trigger it, and nothing else changes.
    ///
    /// If SIGHUP is ignored (`nohup`), it triggers nothing. If SIGCHLD is ignored, that is undone, because otherwise
    /// the exit status of programs would be lost.
    ///
    /// # Errors
    ///
    /// Returns an error if the signals cannot be caught.
    pub fn on_signals() -> io::Result<Shutdown> {
        Shutdown::listening(None)
    }

    /// Creates a handle as [`on_signals`](Shutdown::on_signals) does, except that SIGHUP does not trigger it. Instead,
    /// SIGHUP calls `hangup`, also if it was ignored. Several of them that arrive together may be one call. The calls
    /// are made on a thread of their own.
    ///
    /// # Errors
    ///
    /// Returns an error if the signals cannot be caught.
    #[cfg(unix)]
    pub fn on_signals_but_hangup(hangup: impl FnMut() + Send + 'static) -> io::Result<Shutdown> {
        Shutdown::listening(Some(Box::new(hangup)))
    }

    fn listening(hangup: Option<Box<dyn FnMut() + Send>>) -> io::Result<Shutdown> {
        let shutdown = Shutdown::new();
        let triggered = shutdown.clone();
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let (mut stopping, mut hangups) = {
            let _context = runtime.enter();
            let hangups = hangup.is_some().then(signals::hangup).transpose()?;
            (signals::stopping(hangups.is_none())?, hangups.zip(hangup))
        };
        thread::Builder::new().name("signals".into()).spawn(move || {
            runtime.block_on(async {
                let mut next = async || {
                    poll_fn(|context| {
                        while let Some((hangups, hangup)) = &mut hangups
                            && hangups.poll(context).is_ready()
                        {
                            hangup();
                        }
                        // Poll every signal, so that each can wake this task.
                        let asked = stopping.iter_mut().map(|signal| signal.poll(context).is_ready());
                        if asked.fold(false, |any, ready| any | ready) { Poll::Ready(()) } else { Poll::Pending }
                    })
                    .await;
                };
                next().await;
                triggered.begin();
                next().await;
                triggered.cut();
            });
        })?;
        Ok(shutdown)
    }

    /// Begins the shutdown. Connections are accepted until the notice of the limits ends. Running responses then have
    /// the grace of the limits to finish, and a connection without a request has half a second to begin its first one.
    pub fn begin(&self) {
        self.reach(Stage::Leaving);
    }

    /// Returns `true` if the shutdown has begun.
    pub fn has_begun(&self) -> bool {
        self.is_at(Stage::Leaving)
    }

    /// Waits until the shutdown begins.
    pub fn begun(&self) -> impl Future<Output = ()> + Send + 'static {
        self.reached(Stage::Leaving)
    }

    /// Returns the time at which the shutdown began.
    pub fn began(&self) -> Option<Instant> {
        self.0.began.get().copied()
    }

    /// Cuts running responses and returns from the server without waiting for anything else.
    pub fn cut(&self) {
        self.reach(Stage::Now);
    }

    pub(super) fn reach(&self, stage: Stage) {
        self.0.began.get_or_init(Instant::now);
        self.0.stage.send_if_modified(|reached| {
            let later = stage > *reached;
            *reached = stage.max(*reached);
            later
        });
    }

    /// Returns `true` if the shutdown has reached a stage.
    pub(super) fn is_at(&self, stage: Stage) -> bool {
        *self.0.stage.borrow() >= stage
    }

    /// Waits until a connection closes on which no request has begun: a moment later than others, because one may be on
    /// its way.
    pub(super) fn unused(&self) -> impl Future<Output = ()> + Send + 'static {
        let closing = self.reached(Stage::Closing);
        async {
            closing.await;
            sleep(FIRST_TIME).await;
        }
    }

    /// Waits until the shutdown reaches a stage.
    pub(crate) fn reached(&self, stage: Stage) -> impl Future<Output = ()> + Send + 'static {
        let mut stages = self.0.stage.subscribe();
        let kept = self.clone();
        async move {
            let _ = stages.wait_for(|reached| *reached >= stage).await;
            drop(kept);
        }
    }
}

impl Default for Shutdown {
    fn default() -> Shutdown {
        Shutdown::new()
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shutdown({:?})", *self.0.stage.borrow())
    }
}
