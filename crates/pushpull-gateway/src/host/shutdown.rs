//! How a server is told to stop.

use std::fmt;
use std::fs;
use std::future::{Future, poll_fn};
use std::io;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::thread;
use std::time::Instant;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::script::inherited::ignored;

/// Tells a [`Server`](super::Server) to stop, in two steps. Clones are one and the same.
#[derive(Clone)]
pub struct Shutdown(Arc<State>);

struct State {
    stage: watch::Sender<Stage>,
    began: OnceLock<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Running,
    /// It is known that the server is to stop; for the time of the notice nothing else changes.
    Leaving,
    /// No new connections; what runs may finish.
    Closing,
    /// What still runs is cut.
    Cut,
    /// And nothing is waited for.
    Now,
}

impl Shutdown {
    /// Creates one that only its owner triggers.
    pub fn new() -> Shutdown {
        Shutdown(Arc::new(State { stage: watch::Sender::new(Stage::Running), began: OnceLock::new() }))
    }

    /// Creates one that SIGTERM, SIGINT, SIGHUP and SIGQUIT trigger: the first begins, the second cuts. They are listened
    /// for when this returns, so bind the server's socket after it.
    ///
    /// SIGUSR1, SIGUSR2, SIGALRM and SIGXFSZ no longer end the process: a write beyond the limit of a file's size is an
    /// error. Programs that the process starts have the defaults of all of them.
    ///
    /// A SIGHUP that is ignored (`nohup`) triggers nothing. An ignored SIGCHLD is no longer ignored, since the status of a
    /// program would be lost.
    ///
    /// # Errors
    ///
    /// Returns an error if the signals cannot be listened for.
    pub fn on_signals() -> io::Result<Shutdown> {
        let shutdown = Shutdown::new();
        let told = shutdown.clone();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let is_ignored = |kind: SignalKind| ignored(&status).any(|signal| signal == kind.as_raw_value());
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let mut stopping = {
            let _context = runtime.enter();
            let mut unheeded = vec![SignalKind::user_defined1(), SignalKind::user_defined2(), SignalKind::alarm()];
            unheeded.push(SignalKind::from_raw(libc::SIGXFSZ));
            if is_ignored(SignalKind::child()) {
                unheeded.push(SignalKind::child());
            }
            let mut stops = vec![SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit()];
            let hangup = if is_ignored(SignalKind::hangup()) { &mut unheeded } else { &mut stops };
            hangup.push(SignalKind::hangup());
            // Caught, and not ignored: a program inherits what is ignored. A signal stays caught when it is not listened for.
            for kind in unheeded {
                drop(signal(kind)?);
            }
            stops.into_iter().map(signal).collect::<io::Result<Vec<_>>>()?
        };
        thread::Builder::new().name("signals".into()).spawn(move || {
            runtime.block_on(async {
                let mut next = async || {
                    poll_fn(|context| {
                        // All are asked, so that each wakes.
                        let asked = stopping.iter_mut().map(|signal| signal.poll_recv(context).is_ready());
                        if asked.fold(false, |any, ready| any | ready) { Poll::Ready(()) } else { Poll::Pending }
                    })
                    .await;
                };
                next().await;
                told.begin();
                next().await;
                told.cut();
            });
        })?;
        Ok(shutdown)
    }

    /// After the limits' notice no connection is accepted any more. Running responses may finish, for as long as the limits'
    /// grace lets them.
    pub fn begin(&self) {
        self.reach(Stage::Leaving);
    }

    /// Returns `true` if it has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.stage.borrow() > Stage::Running
    }

    /// Returns the time when it began.
    pub fn began(&self) -> Option<Instant> {
        self.0.began.get().copied()
    }

    /// What still runs is cut, and nothing is waited for.
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

    /// Waits for a stage.
    pub(super) fn reached(&self, stage: Stage) -> impl Future<Output = ()> + 'static {
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
