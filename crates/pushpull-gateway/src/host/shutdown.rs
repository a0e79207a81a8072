//! How a server is told to stop.

use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::mem;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::watch;

use super::signals;
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
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let is_ignored = |wanted: i32| ignored(&status).any(|signal| signal == wanted);
        let mut unheeded = vec![libc::SIGUSR1, libc::SIGUSR2, libc::SIGALRM, libc::SIGXFSZ];
        if is_ignored(libc::SIGCHLD) {
            unheeded.push(libc::SIGCHLD);
        }
        let mut stops = vec![libc::SIGTERM, libc::SIGINT, libc::SIGQUIT];
        let hangup = if is_ignored(libc::SIGHUP) { &mut unheeded } else { &mut stops };
        hangup.push(libc::SIGHUP);
        signals::disregard(&unheeded)?;
        let (told, mut has_begun) = (shutdown.clone(), false);
        signals::listen_for(&stops, move || {
            let is_second = mem::replace(&mut has_begun, true);
            if is_second {
                told.cut()
            } else {
                told.begin()
            }
            !is_second
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
