//! The place of one worker, which has a new process whenever the last has ended.

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::{OwnedRwLockWriteGuard, mpsc, oneshot, watch};
use tokio::time::{Sleep, sleep};

use super::backoff::Backoff;
use super::settings::Workers;
use super::socket::Socket;
use super::turnover::Requests;
use super::worker::Worker;
use crate::script::Ended;
use crate::sys::ignored::catches;

/// How long a worker may take to end after SIGUSR1. Then it is stopped as one that does not know the signal.
const MAX_RETIREMENT: Duration = Duration::from_secs(30);

/// Whether the workers are to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Running,
    /// By SIGTERM, and SIGKILL later.
    Stopping,
    /// By SIGKILL.
    Killing,
}

/// What all slots share.
pub(super) struct Shared {
    pub(super) settings: Workers,
    pub(super) socket: Socket,
    pub(super) requests: Arc<Requests>,
    pub(super) stage: watch::Receiver<Stage>,
    /// The number of slots that do not wait for their next start.
    pub(super) working: watch::Sender<usize>,
}

/// A slot, and the channel by which its worker is asked to be replaced. The sender that it gets is dropped then.
pub(super) struct Slot {
    number: usize,
    shared: Arc<Shared>,
    asked: mpsc::Receiver<oneshot::Sender<()>>,
    backoff: Backoff,
}

/// How a worker is replaced without the loss of a request.
enum Retirement {
    /// It was signalled, and finishes its request. The timer says when that takes too long.
    Finishing(Pin<Box<Sleep>>),
    /// It is stopped when no request runs.
    Waiting(Pin<Box<dyn Future<Output = OwnedRwLockWriteGuard<()>> + Send>>),
}

enum Event {
    Ended(Ended),
    Stage(Stage),
    Asked(oneshot::Sender<()>),
    /// Nothing runs, and nothing begins.
    Idle(OwnedRwLockWriteGuard<()>),
    Late,
}

impl Slot {
    /// Creates a slot, and returns the sender that asks it to replace its worker.
    pub(super) fn new(number: usize, shared: Arc<Shared>) -> (Slot, mpsc::Sender<oneshot::Sender<()>>) {
        let (ask, asked) = mpsc::channel(1);
        (Slot { number, shared, asked, backoff: Backoff::default() }, ask)
    }

    /// Keeps a worker running until all are stopped.
    pub(super) async fn run(mut self, first: Worker) {
        let mut next = Ok(first);
        loop {
            let pause = match next {
                Ok(worker) => match self.watch(worker).await {
                    Some(pause) => pause,
                    None => return,
                },
                Err(error) => {
                    let pause = self.backoff.pause(Duration::ZERO);
                    self.say(&format_args!("cannot be started: {error}"), pause);
                    pause
                }
            };
            if !self.pause(pause).await {
                return;
            }
            next = Worker::start(&self.shared.settings, &self.shared.socket);
        }
    }

    /// Watches a worker until it has ended. Returns the pause before the next start, or `None` if there is none.
    async fn watch(&mut self, mut worker: Worker) -> Option<Duration> {
        let shared = self.shared.clone();
        let before = shared.requests.ended();
        let mut stage = shared.stage.clone();
        let mut stage = pin!(stage.wait_for(|stage| *stage != Stage::Running));
        let mut retirement = None;
        // The sender is dropped when the worker has been replaced.
        let mut replaced = None;
        tracing::debug!(target: "pushpull::workers", pid = worker.id(), "started");
        loop {
            let event = poll_fn(|context| {
                if let Poll::Ready(stage) = stage.as_mut().poll(context) {
                    return Poll::Ready(Event::Stage(stage.map_or(Stage::Killing, |stage| *stage)));
                }
                if let Poll::Ready(ended) = worker.poll(context) {
                    return Poll::Ready(Event::Ended(ended));
                }
                self.poll_retirement(retirement.as_mut(), context)
            });
            match event.await {
                Event::Ended(ended) => {
                    let age = worker.age();
                    let id = worker.id();
                    worker.end().await;
                    // A program that has served may end to be replaced, as PHP_FCGI_MAX_REQUESTS has it.
                    let is_meant = ended == Ended::Code(0) && shared.requests.ended() > before;
                    if is_meant || retirement.is_some() {
                        tracing::debug!(target: "pushpull::workers", pid = id, "{ended}");
                        return Some(Duration::ZERO);
                    }
                    let pause = self.backoff.pause(age);
                    self.say(&ended, pause);
                    return Some(pause);
                }
                Event::Stage(Stage::Killing) => {
                    worker.stop(Duration::ZERO).await;
                    return None;
                }
                Event::Stage(_) => {
                    worker.stop(shared.settings.kill_grace).await;
                    return None;
                }
                Event::Asked(sender) => {
                    replaced.replace(sender);
                    retirement = Some(self.retire(&worker));
                }
                Event::Late => {
                    let late = format!(
                        "worker {}: it did not end by SIGUSR1; it is stopped when no request runs",
                        self.number
                    );
                    shared.settings.error_log.say(&late);
                    retirement = Some(self.wait_for_idle());
                }
                Event::Idle(gate) => {
                    worker.stop(shared.settings.kill_grace).await;
                    drop(gate);
                    return Some(Duration::ZERO);
                }
            }
        }
    }

    /// Begins to replace a worker.
    fn retire(&self, worker: &Worker) -> Retirement {
        if !catches(worker.id(), Signal::USR1) {
            return self.wait_for_idle();
        }
        worker.signal(Signal::USR1);
        Retirement::Finishing(Box::pin(sleep(MAX_RETIREMENT)))
    }

    fn wait_for_idle(&self) -> Retirement {
        let requests = self.shared.requests.clone();
        Retirement::Waiting(Box::pin(async move { requests.none().await }))
    }

    fn poll_retirement(&mut self, retirement: Option<&mut Retirement>, context: &mut Context<'_>) -> Poll<Event> {
        match retirement {
            Some(Retirement::Finishing(late)) => late.as_mut().poll(context).map(|()| Event::Late),
            Some(Retirement::Waiting(idle)) => idle.as_mut().poll(context).map(Event::Idle),
            None => match self.asked.poll_recv(context) {
                Poll::Ready(Some(done)) => Poll::Ready(Event::Asked(done)),
                _ => Poll::Pending,
            },
        }
    }

    /// Waits before the next start. Returns `false` if all workers are stopped.
    async fn pause(&mut self, time: Duration) -> bool {
        let mut stage = self.shared.stage.clone();
        if time.is_zero() {
            return *stage.borrow() == Stage::Running;
        }
        self.shared.working.send_modify(|working| *working -= 1);
        let is_over = tokio::time::timeout(time, stage.wait_for(|stage| *stage != Stage::Running)).await.is_err();
        self.shared.working.send_modify(|working| *working += 1);
        is_over
    }

    /// Logs what has become of the worker.
    fn say(&self, what: &dyn Display, pause: Duration) {
        let next = match pause.as_secs() {
            0 => "is started again".to_owned(),
            seconds => format!("is started again in {seconds} s"),
        };
        self.shared.settings.error_log.say(&format!("worker {}: {what}; {next}", self.number));
    }
}
