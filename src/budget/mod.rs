//! A byte budget that many bridges share.

mod state;

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::Waker;

use parking_lot::{Mutex, MutexGuard};

use self::state::{Grants, Ticket};
use crate::runtime::waker;
use crate::sys::fork::{self, PerProcess};

/// A byte budget that many bridges share: of [`Thread`](crate::Thread)s and [`Pool`](crate::Pool)s, by their option
/// `budget`.
///
/// A bridge may hold one chunk in any case. What it holds beyond that, up to its capacity, it takes from the budget before
/// a write is accepted, and gives back when it is pulled, or when the bridge is dropped. While there is too little, a
/// writer waits for its share: in the order in which they asked, so that many small ones do not starve a large one. A
/// program on a pool is suspended for that wait.
///
/// So all bridges together hold at most the budget and one chunk each, and none ever waits for another to go on: with
/// nothing of the budget it still moves chunk by chunk. A puller may drain its bridges in any order.
///
/// ```
/// use std::io::Write;
/// use pushpull::{Budget, Pool};
///
/// // A thousand downloads, of which each could hold a quarter of a mebibyte; together they hold 16 MiB, and 4 KiB each.
/// let budget = Budget::new(16 << 20);
/// let pool = Pool::new(2).chunk_size(4 << 10).budget(&budget);
/// let downloads: Vec<_> = (0..1000).map(|_| pool.pull(|w| w.write_all(&[7; 100_000]))).collect();
/// for download in downloads {
///     assert_eq!(download.map(|chunk| chunk.unwrap().len()).sum::<usize>(), 100_000);
/// }
/// assert_eq!(budget.available(), 16 << 20);
/// ```
///
/// All clones are the same budget. `Local` has no queue, and nothing to take from one.
#[derive(Clone)]
pub struct Budget(Arc<SharedBudget>);

struct SharedBudget {
    total: usize,
    state: PerProcess<Mutex<Grants<Waker>>>,
}

impl SharedBudget {
    fn lock(&self) -> MutexGuard<'_, Grants<Waker>> {
        self.state.get(|| Mutex::new(Grants::new(self.total))).lock()
    }
}

impl Budget {
    /// A budget of so many bytes.
    ///
    /// # Panics
    ///
    /// If `bytes` is zero.
    #[track_caller]
    pub fn new(bytes: usize) -> Budget {
        assert!(bytes > 0, "`Budget::new(0)`: a budget of nothing is a capacity of one chunk; set that instead");
        Budget(Arc::new(SharedBudget { total: bytes, state: PerProcess::new() }))
    }

    /// How many bytes no bridge has.
    pub fn available(&self) -> usize {
        self.0.lock().free()
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("bytes", &self.0.total).field("available", &self.available()).finish()
    }
}

/// What one bridge may hold, given back when it is dropped. Nothing here waits, and wakers are given out to be woken or
/// dropped where no lock is held.
pub(crate) struct Share {
    budget: Budget,
    /// What it may hold without asking.
    own: usize,
    /// What it was given beside that.
    held: usize,
    /// What it waits for.
    ticket: Option<Ticket>,
    /// In which process it has asked for something. A child has a budget of its own, and owes nothing of the parent's.
    process: u32,
}

impl Share {
    pub(crate) fn new(budget: &Budget, own: usize) -> Share {
        Share { budget: budget.clone(), own, held: 0, ticket: None, process: 0 }
    }

    pub(crate) fn own(&self) -> usize {
        self.own
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.ticket.is_some()
    }

    /// How many bytes it may hold.
    pub(crate) fn limit(&self) -> usize {
        self.own.saturating_add(self.held)
    }

    /// Whether it was given what it waits for.
    pub(crate) fn collect(&mut self) -> bool {
        let Some(ticket) = self.ticket else { return false };
        let given = self.budget.0.lock().collect(ticket);
        self.held += given.unwrap_or(0);
        if given.is_some() {
            self.ticket = None;
        }
        given.is_some()
    }

    /// Takes so many bytes, if they are there and nobody waits for them.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        self.process = fork::process();
        let taken = self.budget.0.lock().try_take(bytes);
        self.held += taken;
        taken > 0
    }

    /// Waits for so many bytes, or goes on waiting for those that it has asked for. Whoever it had woken before is given
    /// back.
    pub(crate) fn wait(&mut self, bytes: usize, waker: &Waker) -> Option<Waker> {
        self.process = fork::process();
        let mut state = self.budget.0.lock();
        match self.ticket {
            Some(ticket) => state.wake_instead(ticket, waker.clone()),
            None => {
                self.ticket = Some(state.ask(bytes, waker.clone()));
                None
            }
        }
    }

    /// So many bytes have left the bridge, which needs no more than `most` now. Says who is to be woken for what that
    /// leaves.
    #[must_use]
    pub(crate) fn settle(&mut self, left: usize, most: usize) -> Vec<Waker> {
        let held = self.held.saturating_sub(left).min(most);
        match mem::replace(&mut self.held, held) - held {
            0 => Vec::new(),
            bytes => self.budget.0.lock().give_back(bytes),
        }
    }

    /// Waits no more. Says who is to be woken for it.
    #[must_use]
    pub(crate) fn give_up(&mut self) -> Vec<Waker> {
        self.ticket.take().map_or_else(Vec::new, |ticket| self.budget.0.lock().give_up(ticket))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if fork::is_past(self.process) {
            return;
        }
        let mut woken = self.give_up();
        woken.extend(self.settle(0, 0));
        waker::wake(woken);
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("limit", &self.limit()).field("waits", &self.ticket.is_some()).finish()
    }
}
