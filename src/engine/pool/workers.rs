//! The workers of one pool: which of them gets a new program, and how they end.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;

use super::inbox::Inbox;
use super::worker::Worker;
use crate::engine::launch::Job;
use crate::sys::fork::PerProcess;

/// Owned by the pool's handles and by bridges that have not started. When it is dropped, the workers finish their
/// programs.
pub(crate) struct Workers {
    count: usize,
    /// Set when the pool was shut down, in this process or in one that it was forked from.
    closed: AtomicBool,
    members: PerProcess<Box<[Member]>>,
}

struct Member {
    inbox: Arc<Inbox>,
    /// Set when the worker was started, under the lock, so that it is started once.
    begun: AtomicBool,
    begins: Mutex<()>,
}

impl Workers {
    pub(super) fn new(count: usize) -> Workers {
        Workers { count, closed: AtomicBool::new(false), members: PerProcess::new() }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    fn members(&self) -> &[Member] {
        self.members.get(|| (0..self.count).map(|_| Member::new(self.closed.load(Ordering::SeqCst))).collect())
    }

    /// Sends a job to the worker with the lowest load.
    ///
    /// # Errors
    ///
    /// Returns an error if the pool was shut down, or if the system refuses the worker's thread.
    pub(in crate::engine) fn launch(&self, job: Job) -> io::Result<()> {
        let members = self.members().iter().enumerate();
        let Some((number, member)) = members.min_by_key(|(_, member)| member.inbox.load()) else {
            unreachable!("a pool has at least one worker");
        };
        member.inbox.admit()?;
        member.begin(number).inspect_err(|_| member.inbox.retire())?;
        member.inbox.start(job);
        Ok(())
    }

    /// Stops admitting programs.
    pub(super) fn close(&self) {
        // First, so that members of this process that are made from here on are closed too.
        self.closed.store(true, Ordering::SeqCst);
        self.inboxes().for_each(Inbox::close);
    }

    /// Stops the running programs.
    pub(super) fn end(&self) {
        self.inboxes().for_each(Inbox::end);
    }

    /// Polls until all programs have ended.
    pub(super) fn poll_gone(&self, context: &Context<'_>) -> Poll<()> {
        let waits = self.inboxes().filter(|inbox| inbox.poll_gone(context).is_pending()).count();
        if waits == 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    fn inboxes(&self) -> impl Iterator<Item = &Inbox> {
        self.members().iter().map(|member| &*member.inbox)
    }
}

impl Member {
    fn new(closed: bool) -> Member {
        Member { inbox: Arc::new(Inbox::new(closed)), begun: AtomicBool::new(false), begins: Mutex::new(()) }
    }

    /// Starts the worker if it was not started yet.
    fn begin(&self, number: usize) -> io::Result<()> {
        if self.begun.load(Ordering::Acquire) {
            return Ok(());
        }
        let _lock = self.begins.lock();
        if !self.begun.load(Ordering::Relaxed) {
            Worker::spawn(self.inbox.clone(), number)?;
            self.begun.store(true, Ordering::Release);
        }
        Ok(())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.members.peek().into_iter().flatten().for_each(|member| member.inbox.close());
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.members.peek().into_iter().flatten().map(|member| &member.inbox)).finish()
    }
}
