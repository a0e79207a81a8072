//! What everybody knows of a worker: where to send it programs and wake-ups, how much it has to do, and what it runs.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use crossbeam_channel::{Receiver, Sender, unbounded};
use parking_lot::Mutex;

use super::slots::Slots;
use super::task::{self, Task};
use crate::engine::bridge::Job;
use crate::error::Error;
use crate::program::Program;

/// What a worker is told. There is one start for each program and at the most one wake-up, which bounds the queue.
pub(super) enum Message {
    Start(Job),
    Wake(Arc<Task>),
    /// Look at what else has changed.
    Look,
}

pub(super) struct Inbox {
    sender: Sender<Message>,
    /// How many programs were sent and are not gone.
    live: AtomicUsize,
    /// How many of them can go on, beside those that the messages are about.
    runnable: AtomicUsize,
    /// No more programs are sent.
    closed: AtomicBool,
    running: Mutex<Running>,
    /// Who waits for the last program to be gone.
    hosts: Mutex<Vec<Waker>>,
}

#[derive(Debug, Default)]
struct Running {
    programs: Slots<Arc<Program>>,
    /// They were told to end, and so is whoever comes.
    ended: bool,
}

impl Inbox {
    pub(super) fn new() -> (Arc<Inbox>, Receiver<Message>) {
        let (sender, receiver) = unbounded();
        let inbox = Inbox {
            sender,
            live: AtomicUsize::new(0),
            runnable: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            running: Mutex::default(),
            hosts: Mutex::default(),
        };
        (Arc::new(inbox), receiver)
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
        self.runnable.load(Ordering::Relaxed) + self.sender.len()
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
    pub(super) fn start(&self, job: Job) {
        self.send(Message::Start(job));
    }

    /// A program that was admitted is gone, or did not come.
    pub(super) fn retire(&self) {
        let last = self.live.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && self.closed.load(Ordering::SeqCst) {
            self.send(Message::Look);
            let hosts = std::mem::take(&mut *self.hosts.lock());
            hosts.into_iter().for_each(Waker::wake);
        }
    }

    pub(super) fn wake(&self, task: Arc<Task>) {
        self.send(Message::Wake(task));
    }

    fn send(&self, message: Message) {
        // A worker that is gone has no programs: what is woken is not there any more.
        let _ = self.sender.send(message);
    }

    // For those who shut the pool down.

    /// No more programs are admitted.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.send(Message::Look);
    }

    /// Ends the programs that run, as if their hosts had gone, and those that come.
    pub(super) fn end(&self) {
        let mut running = self.running.lock();
        running.ended = true;
        let programs: Vec<_> = running.programs.iter().cloned().collect();
        drop(running);
        for program in programs {
            program.end(Error::shut_down());
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

    /// A program begins. Gives its place.
    ///
    /// # Errors
    ///
    /// When all programs were told to end.
    pub(super) fn begin(&self, program: &Arc<Program>) -> io::Result<usize> {
        let mut running = self.running.lock();
        if running.ended { Err(Error::shut_down()) } else { Ok(running.programs.insert_with(|_| program.clone())) }
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
