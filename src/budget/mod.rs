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

/// A byte budget that many bridges share: the option `budget` of [`Thread`](crate::Thread) and [`Pool`](crate::Pool).
///
/// A bridge may always hold one chunk. Further bytes, up to the capacity, are taken from the budget before a write is
/// accepted. They return to the budget when they are pulled, or when the bridge is dropped.
///
/// If too few bytes are available, the writer waits for its share. Writers are served in the order of their requests,
/// so that small requests do not starve a large one. A program on a pool is suspended for that wait.
///
/// Together, all bridges hold up to the budget plus one chunk each. Without any share of the budget, a bridge still
/// moves chunk by chunk. So no bridge ever waits for another to progress, and a reader may drain its bridges in any
/// order.
///
/// ```
/// use std::io::Write;
/// use pushpull::{Budget, Pool};
///
/// // A thousand downloads, each with a capacity of 256 KiB. Together they hold up to 16 MiB, plus 4 KiB each.
/// let budget = Budget::new(16 << 20);
/// let pool = Pool::new(2).chunk_size(4 << 10).budget(&budget);
/// let downloads: Vec<_> = (0..1000).map(|_| pool.pull(|w| w.write_all(&[7; 100_000]))).collect();
/// for download in downloads {
///     assert_eq!(download.map(|chunk| chunk.unwrap().len()).sum::<usize>(), 100_000);
/// }
/// assert_eq!(budget.available(), 16 << 20);
/// ```
///
/// All clones share one budget. `Local` has no queue, so it takes nothing from a budget.
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
    /// Creates a budget of `bytes` bytes.
    ///
    /// # Panics
    ///
    /// Panics if `bytes` is zero.
    #[track_caller]
    pub fn new(bytes: usize) -> Budget {
        assert!(bytes > 0, "a `Budget` must not be zero; for bridges of one chunk, set `capacity` to the chunk size");
        Budget(Arc::new(SharedBudget { total: bytes, state: PerProcess::new() }))
    }

    /// Returns the number of bytes that no bridge has taken.
    pub fn available(&self) -> usize {
        self.0.lock().free()
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("bytes", &self.0.total).field("available", &self.available()).finish()
    }
}

/// The share that one bridge holds, given back when dropped. Nothing here waits. Wakers are returned to the caller, to
/// be woken or dropped without a lock.
pub(crate) struct Share {
    budget: Budget,
    /// The bytes that the bridge may hold without asking.
    own: usize,
    /// The bytes taken from the budget.
    held: usize,
    /// The request that waits, if any.
    ticket: Option<Ticket>,
    /// The process in which the bridge last asked for bytes. A forked child has a budget of its own, and owes nothing
    /// to the parent's.
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

    /// Returns the number of bytes that the bridge may hold.
    pub(crate) fn limit(&self) -> usize {
        self.own.saturating_add(self.held)
    }

    /// Takes what the waiting request was granted. Returns `true` if it was granted.
    pub(crate) fn collect(&mut self) -> bool {
        let Some(ticket) = self.ticket else { return false };
        let given = self.budget.0.lock().collect(ticket);
        self.held += given.unwrap_or(0);
        if given.is_some() {
            self.ticket = None;
        }
        given.is_some()
    }

    /// Takes `bytes` bytes, if they are free and no request waits. Returns `true` if it took any.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        self.process = fork::process();
        let taken = self.budget.0.lock().try_take(bytes);
        self.held += taken;
        taken > 0
    }

    /// Requests `bytes` bytes, or keeps the request that already waits. Returns the waker that `waker` replaces.
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

    /// Gives back bytes after `left` bytes have left the bridge, which now needs a maximum of `most`. Returns the
    /// wakers to wake.
    #[must_use]
    pub(crate) fn settle(&mut self, left: usize, most: usize) -> Vec<Waker> {
        let held = self.held.saturating_sub(left).min(most);
        match mem::replace(&mut self.held, held) - held {
            0 => Vec::new(),
            bytes => self.budget.0.lock().give_back(bytes),
        }
    }

    /// Withdraws the waiting request. Returns the wakers to wake.
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
        waker::wake_all(woken);
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("limit", &self.limit()).field("waits", &self.ticket.is_some()).finish()
    }
}
