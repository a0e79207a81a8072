//! Threads of Python's that wait for requests.
//!
//! All of them need the interpreter lock, so that two that are woken at once only wait for each other. At most one is on its way:
//! when it arrives, it takes the first request, and wakes another thread if there are more. A thread that has answered a request
//! takes the next one without a wait. The last one that became idle is the first to be woken.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long an idle thread waits for work before it ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a thread that has nothing to do looks again before it sleeps.
const YIELDS: usize = 20;

/// Work for threads that the user makes.
pub(super) struct Workers<T> {
    state: Mutex<State<T>>,
    /// How much work waits, for a look without the lock.
    count: AtomicUsize,
    /// A thread is wanted, or the thread that makes them is interrupted, or all has ended.
    changed: Condvar,
}

struct State<T> {
    waiting: VecDeque<T>,
    idle: Vec<Arc<Bell>>,
    /// Whether a thread is on its way: woken, or to be made.
    on_its_way: bool,
    /// Whether that one is still to be made.
    wanted: bool,
    interrupted: bool,
    ended: bool,
}

/// Wakes an idle thread.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bell {
    fn ring(&self) {
        *lock(&self.rung) = true;
        self.changed.notify_one();
    }

    /// Waits until it is rung, but not forever. Returns `false` if it was not.
    fn wait(&self) -> bool {
        let until = Instant::now() + PATIENCE;
        let mut rung = lock(&self.rung);
        while !*rung {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            (rung, _) = self.changed.wait_timeout(rung, left).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }
}

impl<T> Workers<T> {
    pub(super) fn new() -> Workers<T> {
        let (waiting, idle) = (VecDeque::new(), Vec::new());
        let state = State { waiting, idle, on_its_way: false, wanted: false, interrupted: false, ended: false };
        Workers { state: Mutex::new(state), count: AtomicUsize::new(0), changed: Condvar::new() }
    }

    /// Adds work. After the end it is dropped.
    pub(super) fn submit(&self, work: T) {
        let mut state = lock(&self.state);
        if state.ended {
            drop(state);
            drop(work);
            return;
        }
        state.waiting.push_back(work);
        self.count.store(state.waiting.len(), Ordering::Relaxed);
        self.call(state);
    }

    fn pop(&self, state: &mut State<T>) -> Option<T> {
        let work = state.waiting.pop_front();
        self.count.store(state.waiting.len(), Ordering::Relaxed);
        work
    }

    /// Wakes a thread for what waits, or asks for one, unless one is on its way.
    fn call(&self, mut state: MutexGuard<'_, State<T>>) {
        if state.on_its_way || state.waiting.is_empty() {
            return;
        }
        state.on_its_way = true;
        if let Some(bell) = state.idle.pop() {
            drop(state);
            bell.ring();
        } else {
            state.wanted = true;
            drop(state);
            self.changed.notify_all();
        }
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
            if std::mem::take(&mut state.wanted) {
                return Wanted::Thread;
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
        let mut state = lock(&self.state);
        let work = self.pop(&mut state);
        state.on_its_way = false;
        self.call(state);
        drop(work);
    }

    /// Says that a new thread has arrived.
    pub(super) fn arrive(&self) {
        lock(&self.state).on_its_way = false;
    }

    /// Takes work that waits.
    pub(super) fn take(&self) -> Option<T> {
        let mut state = lock(&self.state);
        let work = self.pop(&mut state);
        self.call(state);
        work
    }

    /// Waits for work on this thread. Returns `None` if none has come for a while, or if none comes any more.
    pub(super) fn next(&self) -> Option<T> {
        loop {
            let mut state = lock(&self.state);
            if let Some(work) = self.pop(&mut state) {
                self.call(state);
                return Some(work);
            }
            if state.ended {
                return None;
            }
            if !state.on_its_way {
                // Under load the next request is there in a moment: to sleep and be woken costs more.
                state.on_its_way = true;
                drop(state);
                for _ in 0..YIELDS {
                    thread::yield_now();
                    if self.count.load(Ordering::Relaxed) > 0 {
                        break;
                    }
                }
                state = lock(&self.state);
                state.on_its_way = false;
                if let Some(work) = self.pop(&mut state) {
                    self.call(state);
                    return Some(work);
                }
                if state.ended {
                    return None;
                }
            }
            let bell = Arc::new(Bell::default());
            state.idle.push(bell.clone());
            drop(state);
            let rung = bell.wait();
            let mut state = lock(&self.state);
            match state.idle.iter().position(|one| Arc::ptr_eq(one, &bell)) {
                Some(at) => {
                    state.idle.remove(at);
                    debug_assert!(!rung, "a bell that is rung was taken from the idle ones");
                    return None;
                }
                // It was called.
                None => state.on_its_way = false,
            }
        }
    }

    /// Ends all: idle threads end, and what waits is dropped.
    pub(super) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        let (waiting, idle) = (std::mem::take(&mut state.waiting), std::mem::take(&mut state.idle));
        drop(state);
        self.changed.notify_all();
        idle.iter().for_each(|bell| bell.ring());
        drop(waiting);
    }
}
