//! The running workers, and the thread that has started them.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot, watch};

use super::refusing::refuse;
use super::settings::Workers;
use super::slot::{Shared, Slot, Stage};
use super::socket::Socket;
use super::turnover::Requests;
use super::worker::Worker;
use crate::address::Address;
use crate::upstream::Upstream;

/// The workers of a program, made by [`Workers::start`].
///
/// When the last clone is dropped, workers that still run are killed. [`stop`](RunningWorkers::stop) lets them finish.
#[derive(Clone)]
pub struct RunningWorkers {
    supervisor: Arc<Supervisor>,
    /// Closed when all workers have ended.
    ended: watch::Receiver<()>,
    path: PathBuf,
    requests: Arc<Requests>,
}

/// The thread that has started the workers. If this is dropped, they are killed, and the thread is waited for.
struct Supervisor {
    stage: watch::Sender<Stage>,
    thread: Option<JoinHandle<()>>,
}

impl RunningWorkers {
    pub(super) fn start(settings: Workers) -> io::Result<RunningWorkers> {
        let socket = Socket::new()?;
        let path = socket.path();
        let requests = Arc::<Requests>::default();
        let (stage, stages) = watch::channel(Stage::Running);
        let (working, _) = watch::channel(settings.count);
        let shared = Shared { settings, socket, requests: requests.clone(), stage: stages, working };
        let (running, ended) = watch::channel(());
        let (report, started) = channel();
        // The workers are bound to the thread that starts them: they end when it does.
        let supervise = move || {
            supervise(Arc::new(shared), &report);
            drop(running);
        };
        let thread = Some(thread::Builder::new().name("workers".to_owned()).spawn(supervise)?);
        started.recv().unwrap_or_else(|_| Err(io::Error::other("the thread of the workers has ended")))?;
        Ok(RunningWorkers { supervisor: Arc::new(Supervisor { stage, thread }), ended, path, requests })
    }

    /// Returns the application as a service. It keeps no idle connections: most workers serve one at a time.
    pub fn upstream(&self) -> Upstream {
        Upstream::at(self.address()).on(self)
    }

    /// Returns the address of the workers' socket.
    pub fn address(&self) -> Address {
        Address::Unix(self.path.clone())
    }

    pub(crate) fn requests(&self) -> Arc<Requests> {
        self.requests.clone()
    }

    /// Stops the workers: they receive SIGTERM, and SIGKILL after [`Workers::kill_grace`]. Returns at once;
    /// [`stopped`](RunningWorkers::stopped) waits until they have ended. Stop the requests first.
    pub fn stop(&self) {
        self.supervisor.stage.send_replace(Stage::Stopping);
    }

    /// Waits until all workers have ended and the socket is removed. May be polled on any runtime.
    pub async fn stopped(&self) {
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }
}

/// Starts the workers, and runs until all have ended.
fn supervise(shared: Arc<Shared>, report: &Sender<io::Result<()>>) {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report.send(Err(error)).unwrap_or_default(),
    };
    runtime.block_on(async {
        let count = shared.settings.count;
        let first: io::Result<Vec<_>> = (0..count).map(|_| Worker::start(&shared.settings, &shared.socket)).collect();
        let first = match first {
            Ok(first) => first,
            Err(error) => {
                let program = &shared.settings.program;
                let why = crate::script::why(&program.program, program.directory(), &error);
                let error =
                    io::Error::new(error.kind(), format!("the program {:?} cannot be started: {why}", program.program));
                return report.send(Err(error)).unwrap_or_default();
            }
        };
        let _ = report.send(Ok(()));
        let mut asks = Vec::new();
        let slots: Vec<_> = first
            .into_iter()
            .enumerate()
            .map(|(number, worker)| {
                let (slot, ask) = Slot::new(number + 1, shared.clone());
                asks.push(ask);
                tokio::spawn(slot.run(worker))
            })
            .collect();
        if let Ok(listener) = shared.socket.descriptor() {
            tokio::spawn(refuse(listener, shared.working.subscribe()));
        }
        tokio::spawn(replace_in_turn(shared.clone(), asks));
        for slot in slots {
            let _ = slot.await;
        }
    });
}

/// Replaces all workers, one after the other, each time that they have served their number of requests.
async fn replace_in_turn(shared: Arc<Shared>, asks: Vec<mpsc::Sender<oneshot::Sender<()>>>) {
    let Some(max_requests) = shared.settings.max_requests else { return };
    let in_a_round = max_requests.get().saturating_mul(asks.len() as u64);
    loop {
        shared.requests.reach(shared.requests.ended().saturating_add(in_a_round)).await;
        for ask in &asks {
            let (done, replaced) = oneshot::channel();
            if ask.send(done).await.is_err() {
                return;
            }
            // Its sender is dropped when the worker has ended.
            let _ = replaced.await;
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stage.send_replace(Stage::Killing);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl fmt::Debug for RunningWorkers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningWorkers").field("socket", &self.path).finish_non_exhaustive()
    }
}
