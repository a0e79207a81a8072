//! The host's hold on a program that runs elsewhere: tell it to stop, and know when it is gone.

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

/// Runs a program and says how it ended, in the bridge's terms.
pub(crate) fn run<T>(program: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match panic::catch_unwind(AssertUnwindSafe(program)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(uninterrupted(error)),
        Err(payload) => Err(Error::panicked(payload)),
    }
}

/// A program that runs on a thread of its own, or in turns with others. It lies in the channel that it writes into or reads
/// from, so that one count, and one piece of memory, is all that a bridge takes.
#[derive(Debug)]
pub(crate) struct Program {
    stopped: AtomicBool,
    /// In which it was started; zero before that.
    process: AtomicU32,
    /// Everything that it owned is gone. Set under the lock of `waits`.
    gone: AtomicBool,
    /// It waits, for whatever, and not in an executor of its own. Set under the lock of `waits`.
    waiting: AtomicBool,
    pub(super) refusals: Refusals,
    /// The longest time that it ran without a wait, in nanoseconds, where that is measured.
    longest_run: AtomicU64,
    waits: Mutex<Waits>,
    /// What it runs in, from its start on.
    #[cfg(feature = "tracing")]
    pub(super) span: OnceLock<Box<tracing::Span>>,
}

#[derive(Debug, Default)]
struct Waits {
    /// What the program waits with, whatever it waits for.
    program: Option<Waker>,
    /// The tasks of executors that the program runs itself, while they wait for a bridge.
    tasks: Option<Box<Watchers>>,
    /// How often it has waited.
    count: u64,
    /// Who waits for the program to wait.
    observer: Option<Waker>,
    /// Who waits for the program to be gone.
    host: Option<Waker>,
}

impl Program {
    /// A program that has not begun, of an engine with these options.
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

    /// It was started in the process from which this one was forked, and goes on there.
    #[inline]
    pub(crate) fn is_left_behind(&self) -> bool {
        fork::is_past(self.process.load(Ordering::Relaxed))
    }

    /// It starts. Whoever keeps its ledger says so.
    #[cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "it is only traced"))]
    pub(crate) fn start(&self, ledger: &Ledger) {
        self.process.store(fork::process(), Ordering::Relaxed);
        #[cfg(feature = "tracing")]
        if let Some(span) = ledger.span() {
            let _ = self.span.set(Box::new(span));
        }
    }

    /// Everything that it owned is gone.
    pub(crate) fn leave(&self) {
        if self.is_left_behind() {
            return;
        }
        let mut waits = self.waits.lock();
        self.gone.store(true, Ordering::Release);
        let (host, program, tasks) = (waits.host.take(), waits.program.take(), waits.tasks.take());
        drop(waits);
        waker::discard(program);
        waker::discard(tasks.into_iter().flat_map(|tasks| tasks.into_wakers()));
        waker::wake(host);
    }

    /// The host goes: whatever the program waits for, now or later, is refused.
    pub(crate) fn stop(&self) {
        if self.gone.load(Ordering::Acquire) || self.is_left_behind() {
            return;
        }
        self.stopped.store(true, Ordering::SeqCst);
        let mut waits = self.waits.lock();
        let (program, tasks) = (waits.program.take(), waits.tasks.take());
        drop(waits);
        waker::wake(program);
        waker::wake(tasks.into_iter().flat_map(|tasks| tasks.into_wakers()));
    }

    /// Says with what the program is about to wait. To be followed by a look at `refuses_to_wait`.
    pub(crate) fn watch(&self, waker: &Waker) {
        self.note_wait(|waits| {
            self.waiting.store(true, Ordering::Relaxed);
            waker::keep(&mut waits.program, waker)
        });
    }

    /// The same for a task that polls a future in the program. It has a ticket after it.
    pub(crate) fn watch_task(&self, ticket: &mut Option<u64>, waker: &Waker) {
        self.note_wait(|waits| waits.tasks.get_or_insert_default().watch(ticket, waker));
    }

    /// That task waits no more.
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

    /// It waits no more.
    pub(crate) fn go_on(&self) {
        // ORDERING: release is not needed: what it writes from here on is published with a release.
        self.waiting.store(false, Ordering::Relaxed);
    }

    /// Ready when it waits. To be called after a look at what it has written: bytes that were seen there it has written before
    /// this wait, and not after an earlier one.
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

    /// How often it has waited, for whatever.
    pub(crate) fn waits(&self) -> u64 {
        if self.is_left_behind() { 0 } else { self.waits.lock().count }
    }

    /// Ready with how often it has waited, when that is more often than `than`.
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

    /// Law 14: unwinding code never waits. A program's thread was not unwinding when the program began.
    pub(crate) fn refuses_to_wait(&self) -> bool {
        self.stopped.load(Ordering::SeqCst) || thread::panicking()
    }

    /// It has waited again, after so long. Told by one thread.
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
