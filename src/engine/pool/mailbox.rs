//! Jobs and wake-ups that other threads send to a worker, and the worker's sleep until one arrives.

use std::collections::VecDeque;
use std::hint;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::task::Task;
use crate::engine::launch::Job;
use crate::runtime::courtesy::{self, Courtesy};

/// The number of times that an idle worker looks before it sleeps. Between looks it yields: the thread that is about to
/// send something may share its processor and be waiting for it. After the first yield, a few looks follow in less time
/// than a scheduler's turn.
const LOOKS: u32 = 23;
const CLOSE_LOOKS: u32 = 7;

/// The mailbox of a worker, which takes everything at once: the lock and the data behind it move between cores once,
/// not for each item.
///
/// `Mutex` and `Condvar` are the standard library's, which use the system's. `parking_lot` keeps a table of all
/// sleeping threads. In the child of a `fork`, that table would list workers that the child does not have.
pub(super) struct Mailbox {
    /// The number of items. Read without the lock, as a hint; not zero while there are any.
    filled: AtomicUsize,
    locked: Mutex<LockedMail>,
    arrives: Condvar,
}

#[derive(Default)]
struct LockedMail {
    mail: Mail,
    asleep: bool,
    /// Set when the worker has ended. It had no programs, so that later wake-ups have no receiver.
    gone: bool,
}

#[derive(Default)]
pub(super) struct Mail {
    pub(super) jobs: VecDeque<Job>,
    /// At most one entry for each program.
    pub(super) woken: VecDeque<Arc<Task>>,
}

impl Mailbox {
    pub(super) fn new() -> Mailbox {
        Mailbox { filled: AtomicUsize::new(0), locked: Mutex::default(), arrives: Condvar::new() }
    }

    pub(super) fn start(&self, job: Job) {
        self.change(|locked| locked.mail.jobs.push_back(job));
    }

    pub(super) fn wake(&self, task: Arc<Task>) {
        self.change(|locked| locked.mail.woken.push_back(task));
    }

    /// Makes the worker check for other changes.
    pub(super) fn look(&self) {
        self.change(|_| ());
    }

    fn lock(&self) -> MutexGuard<'_, LockedMail> {
        // Nothing panics under this lock.
        self.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut LockedMail)) {
        let mut locked = self.lock();
        if locked.gone {
            // Dropping the item can run arbitrary code: only after the lock is released.
            drop(locked);
            return;
        }
        change(&mut locked);
        // Changed only under the lock, so that no take comes in between.
        self.filled.store(self.filled.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        let asleep = mem::take(&mut locked.asleep);
        drop(locked);
        if asleep {
            self.arrives.notify_one();
        }
    }

    /// Returns the number of items, as a hint.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.filled.load(Ordering::Relaxed)
    }

    // Called by the worker.

    /// Moves all items into `mail`, which must be empty.
    pub(super) fn take(&self, mail: &mut Mail) {
        let mut locked = self.lock();
        mem::swap(mail, &mut locked.mail);
        self.filled.store(0, Ordering::Relaxed);
    }

    /// Waits until there is an item or another change, or until the deadline.
    pub(super) fn wait(&self, deadline: Option<Instant>) {
        if self.looks() {
            courtesy::found();
        } else {
            courtesy::sleep(|| self.sleep(deadline));
        }
    }

    /// Returns `true` if an item arrives within a short time.
    fn looks(&self) -> bool {
        let mut courtesy = Courtesy::begin();
        for look in 0..LOOKS {
            if self.len() > 0 {
                return true;
            }
            match look {
                1..=CLOSE_LOOKS => (0..1_u32 << (look - 1)).for_each(|_| hint::spin_loop()),
                0 => courtesy.give_way(),
                _ if courtesy.gives() => courtesy.give_way(),
                _ => break,
            }
        }
        self.len() > 0
    }

    fn sleep(&self, deadline: Option<Instant>) {
        let mut locked = self.lock();
        while self.len() == 0 {
            locked.asleep = true;
            match deadline {
                None => locked = self.arrives.wait(locked).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let time = deadline.saturating_duration_since(Instant::now());
                    if time.is_zero() {
                        break;
                    }
                    locked = self.arrives.wait_timeout(locked, time).unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        locked.asleep = false;
    }

    /// Ends the mailbox: drops its items, and refuses new ones.
    pub(super) fn leave(&self) {
        let mut locked = self.lock();
        locked.gone = true;
        let mail = mem::take(&mut locked.mail);
        drop(locked);
        drop(mail);
    }
}
