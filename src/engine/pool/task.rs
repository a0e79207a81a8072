//! A pooled program as others know it: something that can be woken.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::task::Wake;

use super::inbox::Inbox;
use super::mailbox::Mail;
use super::ready::Ready;
use crate::channel::Job;

thread_local! {
    /// What this thread runs next, if it is a worker.
    static QUEUE: RefCell<Option<RunQueue>> = const { RefCell::new(None) };
}

/// What one worker has to do.
struct RunQueue {
    inbox: Arc<Inbox>,
    /// The programs that can go on, in the order in which they were woken.
    tasks: VecDeque<Arc<Task>>,
    /// Those that have not begun.
    jobs: VecDeque<Box<dyn Job>>,
}

impl RunQueue {
    fn is_of(&self, inbox: &Arc<Inbox>) -> bool {
        Arc::ptr_eq(&self.inbox, inbox)
    }
}

/// It belongs to a place with a worker, and so to one program after the other. Who wakes one that is gone wakes the next
/// for nothing.
#[derive(Debug)]
pub(super) struct Task {
    ready: Ready,
    /// Its place with its worker.
    place: usize,
    inbox: Arc<Inbox>,
}

impl Task {
    pub(super) fn new(place: usize, inbox: Arc<Inbox>) -> Task {
        Task { ready: Ready::new(false), place, inbox }
    }

    pub(super) fn place(&self) -> usize {
        self.place
    }

    /// It was taken from the queue and is about to run.
    pub(super) fn run(&self) {
        self.ready.run();
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if self.ready.wake() {
            queue(self);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.ready.wake() {
            queue(self.clone());
        }
    }
}

/// Makes this thread the worker of `inbox`.
pub(super) fn work_for(inbox: Arc<Inbox>) {
    QUEUE.set(Some(RunQueue { inbox, tasks: VecDeque::new(), jobs: VecDeque::new() }));
}

/// Forgets what this thread has to do, which it leaves to the process that it was forked from.
pub(super) fn leave_all() {
    mem::forget(QUEUE.take());
}

/// Whether this thread is the worker of `inbox`.
pub(super) fn works_for(inbox: &Arc<Inbox>) -> bool {
    let own = |queue: &RefCell<Option<RunQueue>>| queue.borrow().as_ref().is_some_and(|queue| queue.is_of(inbox));
    QUEUE.try_with(own).unwrap_or(false)
}

/// Puts a task behind the others of its worker: directly where this is the worker, through the inbox elsewhere.
fn queue(task: Arc<Task>) {
    let own = |queue: &RunQueue, task: &Arc<Task>| queue.is_of(&task.inbox);
    if let Some(task) = on_worker(task, own, |queue, task| queue.tasks.push_back(task)) {
        task.inbox.clone().mailbox.wake(task);
    }
}

/// Puts a program behind the others that this thread is to begin, if it is the worker of `inbox`; else gives it back.
pub(super) fn start(inbox: &Arc<Inbox>, job: Box<dyn Job>) -> Option<Box<dyn Job>> {
    let put = |queue: &mut RunQueue, job| {
        queue.jobs.push_back(job);
        inbox.count_own();
    };
    on_worker(job, |queue, _| queue.is_of(inbox), put)
}

/// Puts `value` into this thread's queue if it is its `own`, and else gives it back. Where the thread is ending, or a waker
/// is used while it is being taken from the queue, it is nobody's worker.
fn on_worker<T>(value: T, own: impl FnOnce(&RunQueue, &T) -> bool, put: impl FnOnce(&mut RunQueue, T)) -> Option<T> {
    let mut value = Some(value);
    let _ = QUEUE.try_with(|queue| {
        let mut queue = queue.try_borrow_mut().ok()?;
        let queue = queue.as_mut()?;
        let own = value.take_if(|value| own(queue, value))?;
        put(queue, own);
        Some(())
    });
    value
}

/// Puts what has come by mail behind the others.
pub(super) fn deliver(mail: &mut Mail) {
    QUEUE.with_borrow_mut(|queue| {
        if let Some(queue) = queue {
            queue.tasks.append(&mut mail.woken);
            queue.jobs.append(&mut mail.jobs);
        }
    });
}

/// The next program of this worker that has not begun.
pub(super) fn next_job() -> Option<Box<dyn Job>> {
    QUEUE.with_borrow_mut(|queue| queue.as_mut()?.jobs.pop_front())
}

/// The next task of this worker, and how many there are after it. Says of each place in `ahead` which task comes so long
/// after it, if there is one.
pub(super) fn next<const N: usize>(ahead: [usize; N]) -> Option<(Arc<Task>, usize, [Option<usize>; N])> {
    QUEUE.with_borrow_mut(|queue| {
        let queue = queue.as_mut()?;
        let task = queue.tasks.pop_front()?;
        let others = queue.tasks.len() + queue.jobs.len();
        Some((task, others, ahead.map(|turns| queue.tasks.get(turns - 1).map(|task| task.place))))
    })
}
