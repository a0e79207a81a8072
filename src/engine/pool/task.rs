//! A pooled program as others know it: something that can be woken.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Wake;

use super::inbox::Inbox;
use super::ready::Ready;

thread_local! {
    /// What this thread runs next, if it is a worker.
    static QUEUE: RefCell<Option<Queue>> = const { RefCell::new(None) };
}

/// The programs of one worker that can go on, in the order in which they were woken.
struct Queue {
    inbox: Arc<Inbox>,
    tasks: VecDeque<Arc<Task>>,
}

impl Queue {
    fn is_of(&self, inbox: &Arc<Inbox>) -> bool {
        Arc::ptr_eq(&self.inbox, inbox)
    }
}

#[derive(Debug)]
pub(super) struct Task {
    ready: Ready,
    /// Its place with its worker.
    place: usize,
    inbox: Arc<Inbox>,
}

impl Task {
    /// One that goes to its worker's queue as it is.
    pub(super) fn new(place: usize, inbox: Arc<Inbox>) -> Task {
        Task { ready: Ready::new(true), place, inbox }
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
    QUEUE.set(Some(Queue { inbox, tasks: VecDeque::new() }));
}

/// Whether this thread is the worker of `inbox`.
pub(super) fn works_for(inbox: &Arc<Inbox>) -> bool {
    let own = |queue: &RefCell<Option<Queue>>| queue.borrow().as_ref().is_some_and(|queue| queue.is_of(inbox));
    QUEUE.try_with(own).unwrap_or(false)
}

/// Puts a task behind the others of its worker: directly where this is the worker, through the inbox elsewhere.
pub(super) fn queue(task: Arc<Task>) {
    let mut task = Some(task);
    // Where the thread is ending, or a waker is used while it is being taken from the queue, it is nobody's worker.
    let _ = QUEUE.try_with(|queue| {
        let mut queue = queue.try_borrow_mut().ok()?;
        let queue = queue.as_mut().filter(|queue| task.as_ref().is_some_and(|task| queue.is_of(&task.inbox)))?;
        queue.tasks.extend(task.take());
        Some(())
    });
    if let Some(task) = task {
        task.inbox.clone().wake(task);
    }
}

/// The next task of this worker, and how many there are after it. Says of each place in `ahead` which task comes so long
/// after it, if there is one.
pub(super) fn next<const N: usize>(ahead: [usize; N]) -> Option<(Arc<Task>, usize, [Option<usize>; N])> {
    QUEUE.with_borrow_mut(|queue| {
        let tasks = &mut queue.as_mut()?.tasks;
        let task = tasks.pop_front()?;
        Some((task, tasks.len(), ahead.map(|turns| tasks.get(turns - 1).map(|task| task.place))))
    })
}
