//! What is sent to a worker from elsewhere, and how it sleeps until something is.

use std::collections::VecDeque;
use std::hint;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::task::Task;
use crate::channel::Job;
use crate::runtime::courtesy::{self, Courtesy};

/// How often a worker that has nothing to do looks before it sleeps. It gives way in between: whoever is to send it something
/// may share its processor, and have been waiting for just that. After the first of them it looks closer together than the
/// scheduler's turns.
const LOOKS: u32 = 23;
const CLOSE_LOOKS: u32 = 7;

/// A worker takes all there is at once, so that the lock and what is behind it do not go from core to core for each.
///
/// The lock and what the worker sleeps on are the standard library's, which is the system's. `parking_lot` keeps a table of
/// all threads that sleep, and in the child of a `fork` workers would be in it that are not there.
pub(super) struct Mailbox {
    /// How much there is to take. A hint for whoever does not take the lock; not zero if there is anything.
    filled: AtomicUsize,
    locked: Mutex<LockedMail>,
    arrives: Condvar,
}

#[derive(Default)]
struct LockedMail {
    mail: Mail,
    asleep: bool,
    /// The worker is gone, and had no programs: what is woken is not there any more.
    gone: bool,
}

#[derive(Default)]
pub(super) struct Mail {
    pub(super) jobs: VecDeque<Box<dyn Job>>,
    /// One place at the most for each program.
    pub(super) woken: VecDeque<Arc<Task>>,
}

impl Mailbox {
    pub(super) fn new() -> Mailbox {
        Mailbox { filled: AtomicUsize::new(0), locked: Mutex::default(), arrives: Condvar::new() }
    }

    pub(super) fn start(&self, job: Box<dyn Job>) {
        self.change(|locked| locked.mail.jobs.push_back(job));
    }

    pub(super) fn wake(&self, task: Arc<Task>) {
        self.change(|locked| locked.mail.woken.push_back(task));
    }

    /// Has the worker look at what else has changed.
    pub(super) fn look(&self) {
        self.change(|_| ());
    }

    fn lock(&self) -> MutexGuard<'_, LockedMail> {
        // Nothing panics under it.
        self.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut LockedMail)) {
        let mut locked = self.lock();
        if locked.gone {
            // Whatever it is, it is dropped without the lock.
            drop(locked);
            return;
        }
        change(&mut locked);
        // Under the lock, as every change of it: nobody takes in between.
        self.filled.store(self.filled.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        let asleep = mem::take(&mut locked.asleep);
        drop(locked);
        if asleep {
            self.arrives.notify_one();
        }
    }

    /// How much there is to take.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.filled.load(Ordering::Relaxed)
    }

    // For the worker.

    /// Takes all there is into `mail`, which is empty.
    pub(super) fn take(&self, mail: &mut Mail) {
        let mut locked = self.lock();
        mem::swap(mail, &mut locked.mail);
        self.filled.store(0, Ordering::Relaxed);
    }

    /// Waits until there is something to take or to look at, or until the deadline.
    pub(super) fn wait(&self, deadline: Option<Instant>) {
        if self.looks() {
            courtesy::found();
        } else {
            courtesy::sleep(|| self.sleep(deadline));
        }
    }

    /// Looks for a while whether there is something.
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

    /// The worker goes. Nothing is kept that is sent from now on, or that is here.
    pub(super) fn leave(&self) {
        let mut locked = self.lock();
        locked.gone = true;
        let mail = mem::take(&mut locked.mail);
        drop(locked);
        drop(mail);
    }
}
