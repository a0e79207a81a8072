//! The run queue of a worker, and the waker of a pooled program.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::task::Wake;

use super::inbox::Inbox;
use super::mailbox::Mail;
use super::ready::Ready;
use crate::engine::launch::Job;

thread_local! {
    /// The run queue of this thread, if it is a worker.
    static QUEUE: RefCell<Option<RunQueue>> = const { RefCell::new(None) };
}

/// Everything that one worker has to do.
struct RunQueue {
    inbox: Arc<Inbox>,
    /// The runnable programs, in the order in which they were woken.
    tasks: VecDeque<Arc<Task>>,
    /// The programs that have not started.
    jobs: VecDeque<Job>,
}

impl RunQueue {
    fn is_of(&self, inbox: &Arc<Inbox>) -> bool {
        Arc::ptr_eq(&self.inbox, inbox)
    }
}

/// The waker of a place on a worker, and so of one program after the other. Waking a program that has ended wakes its
/// successor spuriously.
#[derive(Debug)]
pub(super) struct Task {
    ready: Ready,
    /// The number of its place on its worker.
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

    /// Marks the program as running, after it was taken from the queue.
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

/// Forgets the run queue, which belongs to the process that this one was forked from.
pub(super) fn leave_all() {
    mem::forget(QUEUE.take());
}

/// Returns `true` if this thread is the worker of `inbox`.
pub(super) fn works_for(inbox: &Arc<Inbox>) -> bool {
    let own = |queue: &RefCell<Option<RunQueue>>| queue.borrow().as_ref().is_some_and(|queue| queue.is_of(inbox));
    QUEUE.try_with(own).unwrap_or(false)
}

/// Puts a task at the end of its worker's queue: directly on the worker's thread, through the inbox elsewhere.
fn queue(task: Arc<Task>) {
    let own = |queue: &RunQueue, task: &Arc<Task>| queue.is_of(&task.inbox);
    if let Some(task) = on_worker(task, own, |queue, task| queue.tasks.push_back(task)) {
        task.inbox.clone().mailbox.wake(task);
    }
}

/// Puts a program at the end of this thread's new programs if it is the worker of `inbox`. Otherwise returns the
/// program.
pub(super) fn start(inbox: &Arc<Inbox>, job: Job) -> Option<Job> {
    let put = |queue: &mut RunQueue, job| {
        queue.jobs.push_back(job);
        inbox.count_own();
    };
    on_worker(job, |queue, _| queue.is_of(inbox), put)
}

/// Puts `value` into this thread's queue if `own` returns `true`. Otherwise returns the value. The queue counts as
/// another's if the thread is ending, or if a waker is used while the queue is borrowed.
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

/// Moves all mail to the end of the queue.
pub(super) fn deliver(mail: &mut Mail) {
    QUEUE.with_borrow_mut(|queue| {
        if let Some(queue) = queue {
            queue.tasks.append(&mut mail.woken);
            queue.jobs.append(&mut mail.jobs);
        }
    });
}

/// Removes and returns the next program that has not started.
pub(super) fn next_job() -> Option<Job> {
    QUEUE.with_borrow_mut(|queue| queue.as_mut()?.jobs.pop_front())
}

/// Removes and returns the next task, with the number of tasks and jobs after it. Also returns the places of later
/// tasks, `ahead` turns after it.
pub(super) fn next<const N: usize>(ahead: [usize; N]) -> Option<(Arc<Task>, usize, [Option<usize>; N])> {
    QUEUE.with_borrow_mut(|queue| {
        let queue = queue.as_mut()?;
        let task = queue.tasks.pop_front()?;
        let others = queue.tasks.len() + queue.jobs.len();
        Some((task, others, ahead.map(|turns| queue.tasks.get(turns - 1).map(|task| task.place))))
    })
}
