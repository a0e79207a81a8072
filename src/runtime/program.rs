//! The state of a program that its bridge sees: the bridge can stop the program, and learns when it waits and when it
//! ends.

use std::io;
use std::panic::{self, AssertUnwindSafe};
#[cfg(feature = "tracing")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::unwind::Refusals;
use super::waker::{self, Watchers};
use crate::ended::Ledger;
use crate::error::{Error, uninterrupted};
use crate::options::Options;
use crate::sys::fork;

/// Runs a program and returns its result, with a panic as an error.
pub(crate) fn run<T>(program: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match panic::catch_unwind(AssertUnwindSafe(program)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(uninterrupted(error)),
        Err(payload) => Err(Error::panicked(payload)),
    }
}

/// A program that runs on a thread or in turns on a worker. It is part of its channel, so that a bridge takes one
/// allocation and one reference count.
#[derive(Debug)]
pub(crate) struct Program {
    stopped: AtomicBool,
    /// The process in which it was started; zero before.
    process: AtomicU32,
    /// Set when everything the program owned was dropped. Set under the lock of `waits`.
    gone: AtomicBool,
    /// Set while the program waits for anything, except in an executor of its own. Set under the lock of `waits`.
    waiting: AtomicBool,
    pub(super) refusals: Refusals,
    /// The longest time that the program ran without a wait, in nanoseconds, where that is measured.
    longest_run: AtomicU64,
    waits: Mutex<Waits>,
    /// The span in which the program runs, once it was started.
    #[cfg(feature = "tracing")]
    pub(super) span: OnceLock<Box<tracing::Span>>,
}

#[derive(Debug, Default)]
struct Waits {
    /// The waker of the program while it waits.
    program: Option<Waker>,
    /// The tasks of executors that the program itself runs, while they wait for a bridge.
    tasks: Option<Box<Watchers>>,
    /// The number of waits.
    count: u64,
    /// The waker of the task that waits for the program to wait.
    observer: Option<Waker>,
    /// The waker of the task that waits for the program to end.
    host: Option<Waker>,
}

impl Program {
    /// Creates the state of a program that has not started, with its engine's options.
    pub(crate) fn new(options: &Options) -> Program {
        Program {
            stopped: AtomicBool::new(false),
            process: AtomicU32::new(0),
            gone: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            refusals: Refusals::new(options.unwind),
            longest_run: AtomicU64::new(0),
            waits: Mutex::default(),
            #[cfg(feature = "tracing")]
            span: OnceLock::new(),
        }
    }

    /// Returns `true` if the program was started in the process from which this one was forked, and runs there.
    #[inline]
    pub(crate) fn is_left_behind(&self) -> bool {
        fork::is_past(self.process.load(Ordering::Relaxed))
    }

    /// Notes the start. The caller records it in the ledger.
    #[cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "it is only traced"))]
    pub(crate) fn start(&self, ledger: &Ledger) {
        self.process.store(fork::process(), Ordering::Relaxed);
        #[cfg(feature = "tracing")]
        if let Some(span) = ledger.span() {
            let _ = self.span.set(Box::new(span));
        }
    }

    /// Notes that everything the program owned was dropped.
    pub(crate) fn leave(&self) {
        if self.is_left_behind() {
            return;
        }
        let mut waits = self.waits.lock();
        self.gone.store(true, Ordering::Release);
        let (host, program, tasks) = (waits.host.take(), waits.program.take(), waits.tasks.take());
        drop(waits);
        waker::discard(program);
        Watchers::all(tasks).into_iter().for_each(|task| waker::discard(Some(task)));
        waker::wake(host);
    }

    /// Stops the program, because the other end was dropped: from here on, each of its waits is refused.
    pub(crate) fn stop(&self) {
        if self.gone.load(Ordering::Acquire) || self.is_left_behind() {
            return;
        }
        self.stopped.store(true, Ordering::SeqCst);
        let mut waits = self.waits.lock();
        let (program, tasks) = (waits.program.take(), waits.tasks.take());
        drop(waits);
        waker::wake(program);
        waker::wake_all(Watchers::all(tasks));
    }

    /// Stores the waker of a program that is about to wait. The caller must check `refuses_to_wait` afterwards.
    pub(crate) fn watch(&self, waker: &Waker) {
        self.note_wait(|waits| {
            self.waiting.store(true, Ordering::Relaxed);
            waker::keep(&mut waits.program, waker)
        });
    }

    /// Does the same for a task that polls a future inside the program, and gives the task a ticket.
    pub(crate) fn watch_task(&self, ticket: &mut Option<u64>, waker: &Waker) {
        self.note_wait(|waits| waits.tasks.get_or_insert_default().watch(ticket, waker));
    }

    /// Removes the task with this ticket, which no longer waits.
    pub(crate) fn forget_task(&self, ticket: u64) {
        if self.is_left_behind() {
            return;
        }
        let waker = self.waits.lock().tasks.as_mut().and_then(|tasks| tasks.forget(ticket));
        waker::discard(waker);
    }

    fn note_wait(&self, keep: impl FnOnce(&mut Waits) -> Option<Waker>) {
        let mut waits = self.waits.lock();
        let before = keep(&mut waits);
        waits.count += 1;
        let observer = waits.observer.take();
        drop(waits);
        waker::discard(before);
        waker::wake(observer);
    }

    /// Notes that the program no longer waits.
    pub(crate) fn end_wait(&self) {
        // ORDERING: relaxed suffices: what the program writes from here on is published with a release.
        self.waiting.store(false, Ordering::Relaxed);
    }

    /// Polls until the program waits. The caller must first look at what the program has written. Then bytes seen there
    /// were written before this wait, not after an earlier one.
    pub(crate) fn poll_waiting(&self, context: &Context<'_>) -> Poll<()> {
        if self.is_left_behind() {
            return Poll::Ready(());
        }
        let waits = self.waits.lock();
        let task_waits = waits.tasks.as_ref().is_some_and(|tasks| !tasks.is_empty());
        if task_waits || self.waiting.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        waker::wait(waits, |waits| &mut waits.observer, context)
    }

    /// Returns the number of waits of any kind.
    pub(crate) fn waits(&self) -> u64 {
        if self.is_left_behind() { 0 } else { self.waits.lock().count }
    }

    /// Polls until the number of waits exceeds `than`, and returns that number.
    pub(crate) fn poll_waited(&self, than: u64, context: &Context<'_>) -> Poll<u64> {
        if self.is_left_behind() {
            return Poll::Ready(0);
        }
        let waits = self.waits.lock();
        if waits.count > than {
            return Poll::Ready(waits.count);
        }
        waker::wait(waits, |waits| &mut waits.observer, context)
    }

    /// Returns `true` if a wait must be refused: the program was stopped, or is unwinding (law 14). Its thread was not
    /// unwinding when the program began.
    pub(crate) fn refuses_to_wait(&self) -> bool {
        self.stopped.load(Ordering::SeqCst) || thread::panicking()
    }

    /// Notes the length of a run between two waits. Called by one thread.
    pub(crate) fn ran(&self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if time > self.longest_run.load(Ordering::Relaxed) {
            self.longest_run.store(time, Ordering::Relaxed);
        }
    }

    pub(crate) fn longest_run(&self) -> Duration {
        Duration::from_nanos(self.longest_run.load(Ordering::Relaxed))
    }

    pub(crate) fn poll_gone(&self, context: &Context<'_>) -> Poll<()> {
        if self.is_left_behind() {
            return Poll::Ready(());
        }
        let waits = self.waits.lock();
        if self.gone.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        waker::wait(waits, |waits| &mut waits.host, context)
    }
}
