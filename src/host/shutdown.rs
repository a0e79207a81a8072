//! How a server is told to stop.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::thread;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Tells a [`Server`](super::Server) to stop, in two steps. Clones are one and the same.
#[derive(Clone)]
pub struct Shutdown(Arc<watch::Sender<Stage>>);

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
    /// One that nobody but its owner triggers.
    pub fn new() -> Shutdown {
        Shutdown(Arc::new(watch::Sender::new(Stage::Running)))
    }

    /// One that SIGTERM and SIGINT trigger: the first begins, the second cuts. They are listened for when this returns,
    /// so bind the server's socket after it.
    ///
    /// # Errors
    ///
    /// When the signals cannot be listened for.
    pub fn on_signals() -> io::Result<Shutdown> {
        let shutdown = Shutdown::new();
        let told = shutdown.clone();
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let (mut terminate, mut interrupt) = {
            let _context = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        thread::Builder::new().name("signals".into()).spawn(move || {
            runtime.block_on(async {
                let mut next = async || {
                    poll_fn(|context| {
                        // Both are asked, so that either wakes.
                        let ready = [terminate.poll_recv(context), interrupt.poll_recv(context)];
                        if ready.iter().any(Poll::is_ready) { Poll::Ready(()) } else { Poll::Pending }
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

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow() > Stage::Running
    }

    /// What still runs is cut, and nothing is waited for.
    pub fn cut(&self) {
        self.reach(Stage::Now);
    }

    pub(super) fn reach(&self, stage: Stage) {
        self.0.send_if_modified(|reached| {
            let later = stage > *reached;
            *reached = stage.max(*reached);
            later
        });
    }

    /// Waits for a stage.
    pub(super) fn reached(&self, stage: Stage) -> impl Future<Output = ()> + 'static {
        let mut stages = self.0.subscribe();
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
        write!(f, "Shutdown({:?})", *self.0.borrow())
    }
}
