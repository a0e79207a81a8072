//! The threads of `Thread`. A thread whose program has ended waits a while for the next job: spawning a thread costs
//! 141 µs, waking one about 4 µs.

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::launch::Job;
use crate::options::Options;
use crate::sys::fork::PerProcess;
use crate::sys::thread_name;

/// The time that an idle thread waits for a job.
const PATIENCE: Duration = Duration::from_secs(10);

/// The maximum number of idle threads.
const MAX_IDLE: usize = 16;

static IDLE: PerProcess<Idle> = PerProcess::new();

/// The idle threads of this process.
struct Idle {
    /// A channel without capacity: a job goes through only if a thread is waiting for it.
    hand_over: Sender<Job>,
    jobs: Receiver<Job>,
    count: AtomicUsize,
}

/// Runs `job` on an idle thread, or on a new one.
///
/// # Errors
///
/// Returns an error if the system refuses a new thread.
pub(super) fn run(job: Job) -> io::Result<()> {
    let &Options { stack_size, fresh_threads, .. } = job.options();
    let default = Options::new().stack_size;
    // An idle thread has the default stack and state left by earlier programs. Other jobs get a new thread.
    if fresh_threads || stack_size != default {
        return spawn(stack_size, move || run_on_this(job));
    }
    match Idle::here().hand_over.try_send(job) {
        Ok(()) => Ok(()),
        Err(refused) => {
            let job = refused.into_inner();
            spawn(default, move || work_on(job))
        }
    }
}

fn spawn(stack_size: usize, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let spawned = thread::Builder::new().name("pushpull".to_owned()).stack_size(stack_size).spawn(body);
    spawned.map(drop).map_err(|error| refused(&error))
}

/// Returns the error for a refused thread. The system's own is `WouldBlock`, which a caller would take for a full pipe
/// and retry.
pub(super) fn refused(error: &io::Error) -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, format!("the system has no more threads to give: {error}"))
}

/// Runs one job after the other, until none has come for a while.
fn work_on(first: Job) {
    let idle = Idle::here();
    let mut next = Some(first);
    while let Some(job) = next {
        run_on_this(job);
        next = idle.next();
    }
}

impl Idle {
    fn here() -> &'static Idle {
        IDLE.get(|| {
            let (hand_over, jobs) = bounded(0);
            Idle { hand_over, jobs, count: AtomicUsize::new(0) }
        })
    }

    /// Waits for the next job.
    ///
    /// Returns `None` if no job comes for a while, or if enough threads are idle. Returns `None` too if this thread's
    /// program has returned in a child: then the thread ends, as any other would.
    fn next(&'static self) -> Option<Job> {
        let enough = self.count.fetch_add(1, Ordering::Relaxed) >= MAX_IDLE;
        let next = if enough || !ptr::eq(self, Idle::here()) { None } else { self.jobs.recv_timeout(PATIENCE).ok() };
        self.count.fetch_sub(1, Ordering::Relaxed);
        next
    }
}

/// Runs `job` on this thread, which has the job's name meanwhile.
fn run_on_this(job: Job) {
    let name = job.options().name.clone();
    if let Some(name) = &name {
        thread_name::set(name);
    }
    job.run(Ok(())).program.leave();
    if name.is_some() {
        thread_name::set("pushpull");
    }
}
