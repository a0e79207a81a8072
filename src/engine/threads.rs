//! Threads for programs. One that has nothing to do waits a while for the next: spawning a thread costs 141 µs, waking
//! one about 4.

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::channel::Job;
use crate::options::Options;
use crate::runtime::current;
use crate::sys::fork::PerProcess;
use crate::sys::thread_name;

/// How long an idle thread waits for work.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many threads wait at the most.
const MAX_IDLE: usize = 16;

static IDLE: PerProcess<Idle> = PerProcess::new();

/// The threads of this process that have nothing to do.
struct Idle {
    /// Without room: a job goes through only if a thread waits for it at that moment.
    hand_over: (Sender<Box<dyn Job>>, Receiver<Box<dyn Job>>),
    count: AtomicUsize,
}

/// Runs `job` on an idle thread, or on a new one.
///
/// # Errors
///
/// When the system refuses a new thread.
pub(super) fn run(job: Box<dyn Job>) -> io::Result<()> {
    let &Options { stack_size, fresh_threads, .. } = job.options();
    let default = Options::new().stack_size;
    // Idle threads have the default stack, and a past; a job with other wants gets a thread to itself.
    if fresh_threads || stack_size != default {
        return spawn(stack_size, move || run_on_this(job));
    }
    match Idle::here().hand_over.0.try_send(job) {
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

/// No thread is to be had. What the system says reads as if it were a full pipe, to be tried again.
pub(super) fn refused(error: &io::Error) -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, format!("the system has no more threads to give: {error}"))
}

/// The life of a thread: one job after the other, until there is none for a while.
fn work_on(first: Box<dyn Job>) {
    let idle = Idle::here();
    let mut next = Some(first);
    while let Some(job) = next {
        run_on_this(job);
        next = idle.next();
    }
}

impl Idle {
    fn here() -> &'static Idle {
        IDLE.get(|| Idle { hand_over: bounded(0), count: AtomicUsize::new(0) })
    }

    /// Waits for the next job. `None` if none comes for a while, or enough threads wait, or the program that this thread has
    /// run was one that returned in a child: that process ends as it would with any other thread's function.
    fn next(&'static self) -> Option<Box<dyn Job>> {
        let enough = self.count.fetch_add(1, Ordering::Relaxed) >= MAX_IDLE;
        let next =
            if enough || !ptr::eq(self, Idle::here()) { None } else { self.hand_over.1.recv_timeout(PATIENCE).ok() };
        self.count.fetch_sub(1, Ordering::Relaxed);
        next
    }
}

/// Runs it, as the program that it is, on a thread of its engine's name.
fn run_on_this(job: Box<dyn Job>) {
    let name = job.options().name.clone();
    if let Some(name) = &name {
        thread_name::set(name);
    }
    current::enter(job.channel().clone(), || job.run(Ok(()))).program.leave();
    if name.is_some() {
        thread_name::set("pushpull");
    }
}
