//! The part of a worker that other threads see: where to send programs and wake-ups, its load, and its running
//! programs.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::mailbox::Mailbox;
use super::slots::Slots;
use super::task;
use crate::channel::Channel;
use crate::engine::launch::Job;
use crate::error::Error;
use crate::runtime::waker;

pub(super) struct Inbox {
    /// Bounded: each program sends one start, and has at most one wake-up queued.
    pub(super) mailbox: Mailbox,
    /// The number of programs that were sent and have not ended.
    live: AtomicUsize,
    /// The number of runnable programs, without those in the mailbox. Written by the worker.
    runnable: AtomicUsize,
    /// Set when no more programs are admitted.
    closed: AtomicBool,
    running: Mutex<Running>,
    /// The wakers of the tasks that wait for the last program to end.
    hosts: Mutex<Vec<Waker>>,
}

#[derive(Debug, Default)]
struct Running {
    programs: Slots<Arc<Channel>>,
    /// Set when the programs were stopped. New ones are stopped too.
    ended: bool,
}

impl Inbox {
    /// Creates an inbox. A closed inbox admits no programs.
    pub(super) fn new(closed: bool) -> Inbox {
        Inbox {
            mailbox: Mailbox::new(),
            live: AtomicUsize::new(0),
            runnable: AtomicUsize::new(0),
            closed: AtomicBool::new(closed),
            running: Mutex::default(),
            hosts: Mutex::default(),
        }
    }

    // Called to launch programs.

    /// Returns the worker's load, for comparison: its runnable programs, then its live ones. If the calling program
    /// runs on this worker, it is not counted, because it is about to wait for the program that it launches.
    pub(super) fn load(self: &Arc<Self>) -> (usize, usize, bool) {
        let own = usize::from(task::works_for(self));
        let live = self.live.load(Ordering::Relaxed);
        (self.runnable().saturating_sub(own), live.saturating_sub(own), own == 0)
    }

    fn runnable(&self) -> usize {
        self.runnable.load(Ordering::Relaxed) + self.mailbox.len()
    }

    /// Reserves a place for one more program.
    ///
    /// # Errors
    ///
    /// Returns an error if the pool was shut down.
    pub(super) fn admit(&self) -> io::Result<()> {
        // ORDERING: sequentially consistent, as in `is_finished`: either this sees that the inbox is closed, or the
        // worker sees that a program is about to be sent.
        self.live.fetch_add(1, Ordering::SeqCst);
        if self.closed.load(Ordering::SeqCst) {
            self.retire();
            return Err(Error::shut_down());
        }
        Ok(())
    }

    /// Sends an admitted program to the worker.
    pub(super) fn start(self: &Arc<Self>, job: Job) {
        if let Some(job) = task::start(self, job) {
            self.mailbox.start(job);
        }
    }

    /// Releases the place of an admitted program that has ended or was not sent.
    pub(super) fn retire(&self) {
        let last = self.live.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && self.closed.load(Ordering::SeqCst) {
            self.mailbox.look();
            let hosts = std::mem::take(&mut *self.hosts.lock());
            waker::wake_all(hosts);
        }
    }

    // Called to shut the pool down.

    /// Stops admitting programs.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.mailbox.look();
    }

    /// Stops running and future programs, as if their readers had been dropped.
    pub(super) fn end(&self) {
        let mut running = self.running.lock();
        running.ended = true;
        let programs: Vec<_> = running.programs.iter().cloned().collect();
        drop(running);
        for channel in programs {
            channel.shut_down(Error::shut_down());
        }
    }

    /// Polls until all programs have ended.
    pub(super) fn poll_gone(&self, context: &Context<'_>) -> Poll<()> {
        let mut hosts = self.hosts.lock();
        if !hosts.iter().any(|host| host.will_wake(context.waker())) {
            hosts.push(context.waker().clone());
        }
        drop(hosts);
        if self.live.load(Ordering::SeqCst) == 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    // Called by the worker.

    /// Sets the number of runnable programs.
    pub(super) fn publish(&self, runnable: usize) {
        self.runnable.store(runnable, Ordering::Relaxed);
    }

    /// Counts one more runnable program.
    pub(super) fn count_own(&self) {
        self.publish(self.runnable.load(Ordering::Relaxed) + 1);
    }

    /// Registers a program that starts, and returns its place.
    ///
    /// # Errors
    ///
    /// Returns an error if the programs were stopped.
    pub(super) fn begin(&self, channel: &Arc<Channel>) -> io::Result<usize> {
        let mut running = self.running.lock();
        if running.ended { Err(Error::shut_down()) } else { Ok(running.programs.insert(channel.clone(), |_| ())) }
    }

    /// Removes the program in that place, which has ended.
    pub(super) fn finish(&self, place: usize) {
        let program = self.running.lock().programs.remove(place);
        drop(program);
    }

    /// Returns `true` if no program is left and none can come.
    pub(super) fn is_finished(&self) -> bool {
        // ORDERING: see `admit`.
        self.closed.load(Ordering::SeqCst) && self.live.load(Ordering::SeqCst) == 0
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let live = self.live.load(Ordering::Relaxed);
        f.debug_struct("Worker").field("runnable", &self.runnable()).field("live", &live).finish_non_exhaustive()
    }
}
