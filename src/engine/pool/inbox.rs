//! What everybody knows of a worker: where to send it programs and wake-ups, how much it has to do, and what it runs.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::mailbox::Mailbox;
use super::slots::Slots;
use super::task;
use crate::channel::{Channel, Job};
use crate::error::Error;
use crate::runtime::waker;

pub(super) struct Inbox {
    /// One start for each program comes, and at the most one wake-up, which bounds it.
    pub(super) mailbox: Mailbox,
    /// How many programs were sent and are not gone.
    live: AtomicUsize,
    /// How many of them can go on, beside those in the mailbox. Written by the worker.
    runnable: AtomicUsize,
    /// No more programs are sent.
    closed: AtomicBool,
    running: Mutex<Running>,
    /// Who waits for the last program to be gone.
    hosts: Mutex<Vec<Waker>>,
}

#[derive(Debug, Default)]
struct Running {
    programs: Slots<Arc<Channel>>,
    /// They were told to end, and so is whoever comes.
    ended: bool,
}

impl Inbox {
    /// One that is closed gets no programs.
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

    // For those who launch programs.

    /// How much the worker has to do, to be compared: what can go on, then what lives. The program that asks, if it runs
    /// here, is not counted: it is about to wait for the one that it launches.
    pub(super) fn load(self: &Arc<Self>) -> (usize, usize, bool) {
        let own = usize::from(task::works_for(self));
        let live = self.live.load(Ordering::Relaxed);
        (self.runnable().saturating_sub(own), live.saturating_sub(own), own == 0)
    }

    fn runnable(&self) -> usize {
        self.runnable.load(Ordering::Relaxed) + self.mailbox.len()
    }

    /// Makes room for one more program.
    ///
    /// # Errors
    ///
    /// When the pool was shut down.
    pub(super) fn admit(&self) -> io::Result<()> {
        // ORDERING: sequentially consistent, as in `is_finished`: either this sees that the inbox is closed, or the
        // worker sees that somebody is about to send a program.
        self.live.fetch_add(1, Ordering::SeqCst);
        if self.closed.load(Ordering::SeqCst) {
            self.retire();
            return Err(Error::shut_down());
        }
        Ok(())
    }

    /// Sends a program that was admitted.
    pub(super) fn start(self: &Arc<Self>, job: Box<dyn Job>) {
        if let Some(job) = task::start(self, job) {
            self.mailbox.start(job);
        }
    }

    /// A program that was admitted is gone, or did not come.
    pub(super) fn retire(&self) {
        let last = self.live.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && self.closed.load(Ordering::SeqCst) {
            self.mailbox.look();
            let hosts = std::mem::take(&mut *self.hosts.lock());
            waker::wake(hosts);
        }
    }

    // For those who shut the pool down.

    /// No more programs are admitted.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.mailbox.look();
    }

    /// Ends the programs that run, as if their hosts had gone, and those that come.
    pub(super) fn end(&self) {
        let mut running = self.running.lock();
        running.ended = true;
        let programs: Vec<_> = running.programs.iter().cloned().collect();
        drop(running);
        for channel in programs {
            channel.shut_down(Error::shut_down());
        }
    }

    /// Ready when all programs are gone.
    pub(super) fn poll_gone(&self, context: &Context<'_>) -> Poll<()> {
        let mut hosts = self.hosts.lock();
        if !hosts.iter().any(|host| host.will_wake(context.waker())) {
            hosts.push(context.waker().clone());
        }
        drop(hosts);
        if self.live.load(Ordering::SeqCst) == 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    // For the worker.

    /// Says how many programs can go on.
    pub(super) fn publish(&self, runnable: usize) {
        self.runnable.store(runnable, Ordering::Relaxed);
    }

    /// One more can go on.
    pub(super) fn count_own(&self) {
        self.publish(self.runnable.load(Ordering::Relaxed) + 1);
    }

    /// A program begins. Gives its place.
    ///
    /// # Errors
    ///
    /// When all programs were told to end.
    pub(super) fn begin(&self, channel: &Arc<Channel>) -> io::Result<usize> {
        let mut running = self.running.lock();
        if running.ended { Err(Error::shut_down()) } else { Ok(running.programs.insert(channel.clone(), |_| ())) }
    }

    /// The program in that place has ended.
    pub(super) fn finish(&self, place: usize) {
        let program = self.running.lock().programs.remove(place);
        drop(program);
    }

    /// No program lives, and none will come.
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
