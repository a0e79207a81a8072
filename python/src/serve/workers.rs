//! Threads of Python's that wait for requests. The last one that became idle is the first to get one.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an idle thread waits for work before it ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// Work for threads that somebody else makes.
pub(super) struct Workers<T> {
    state: Mutex<State<T>>,
    /// More threads are wanted, or none ever again.
    changed: Condvar,
}

struct State<T> {
    /// What no thread was idle for.
    waiting: VecDeque<T>,
    idle: Vec<Arc<Inbox<T>>>,
    /// How many threads are to be made.
    wanted: usize,
    /// The thread that makes threads has something else to do.
    interrupted: bool,
    ended: bool,
}

/// What the thread that makes threads is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Thread,
    /// Nothing here.
    Other,
    /// Nothing ever again.
    End,
}

struct Inbox<T> {
    work: Mutex<Option<T>>,
    filled: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Workers<T> {
    pub(super) fn new() -> Workers<T> {
        let state = State { waiting: VecDeque::new(), idle: Vec::new(), wanted: 0, interrupted: false, ended: false };
        Workers { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Hands work to an idle thread, or asks for a new one. After the end it is dropped.
    pub(super) fn submit(&self, work: T) {
        let mut state = lock(&self.state);
        if state.ended {
            drop(state);
            return;
        }
        let Some(inbox) = state.idle.pop() else {
            state.waiting.push_back(work);
            state.wanted += 1;
            drop(state);
            self.changed.notify_all();
            return;
        };
        drop(state);
        *lock(&inbox.work) = Some(work);
        inbox.filled.notify_one();
    }

    /// Waits until a thread is to be made, or something else is to be done.
    pub(super) fn wanted(&self) -> Wanted {
        let mut state = lock(&self.state);
        loop {
            if state.ended {
                return Wanted::End;
            }
            if std::mem::take(&mut state.interrupted) {
                return Wanted::Other;
            }
            if state.wanted > 0 {
                state.wanted -= 1;
                // A thread that has become idle meanwhile may have taken it.
                if !state.waiting.is_empty() {
                    return Wanted::Thread;
                }
                continue;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends a wait for what is wanted.
    pub(super) fn interrupt(&self) {
        lock(&self.state).interrupted = true;
        self.changed.notify_all();
    }

    /// Drops the work that waits for a thread which cannot be made.
    pub(super) fn give_up(&self) {
        let work = lock(&self.state).waiting.pop_front();
        drop(work);
    }

    /// Waits for work on this thread. Returns `None` if none has come for a while, or if none comes any more.
    pub(super) fn next(&self) -> Option<T> {
        let mut state = lock(&self.state);
        if let Some(work) = state.waiting.pop_front() {
            return Some(work);
        }
        if state.ended {
            return None;
        }
        let inbox = Arc::new(Inbox { work: Mutex::new(None), filled: Condvar::new() });
        state.idle.push(inbox.clone());
        drop(state);
        let until = Instant::now() + PATIENCE;
        let mut work = lock(&inbox.work);
        loop {
            if work.is_some() {
                return work.take();
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(work);
                return self.leave(&inbox);
            }
            (work, _) = inbox.filled.wait_timeout(work, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No longer waits; unless work is on its way.
    fn leave(&self, inbox: &Arc<Inbox<T>>) -> Option<T> {
        let mut state = lock(&self.state);
        let at = state.idle.iter().position(|one| Arc::ptr_eq(one, inbox));
        if let Some(at) = at {
            state.idle.remove(at);
            return None;
        }
        let ended = state.ended;
        drop(state);
        let mut work = lock(&inbox.work);
        while work.is_none() && !ended {
            work = inbox.filled.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        work.take()
    }

    /// Ends all: idle threads end, and what waits for one is dropped.
    pub(super) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        // An inbox is woken without work when its thread's time is over, which is soon enough.
        let dropped = (std::mem::take(&mut state.waiting), std::mem::take(&mut state.idle));
        drop(state);
        self.changed.notify_all();
        drop(dropped);
    }
}
