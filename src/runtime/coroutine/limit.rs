//! The stack limit that the crate `stacker` keeps for the running stack.
//!
//! Parsers and compilers ask `stacker` how much stack is left. It keeps the lowest address of the stack in a private
//! thread-local. That address is the thread's until `stacker` itself has switched to a larger stack. On a coroutine, it
//! is wrong. If the coroutine is below the thread's stack, no space seems to be left; if it is above, space seems
//! endless.
//!
//! So each switch exchanges that word together with the stack pointer. The crate has no function for it. The word is
//! found by the effect that the crate's own functions have on it, once in a process. Each thread checks it before use.

use std::cell::Cell;
use std::panic;
use std::ptr;
use std::sync::OnceLock;

use super::words::{self, Snapshot, Word};

/// The limit of the running stack of a thread.
pub(super) struct Limit {
    /// The address of the word, once the thread has made a coroutine.
    place: Cell<*mut usize>,
    /// A stand-in for the word where that is not found.
    nowhere: Cell<usize>,
}

impl Limit {
    pub(super) const fn new() -> Limit {
        Limit { place: Cell::new(ptr::null_mut()), nowhere: Cell::new(0) }
    }

    /// Finds the word for a thread that makes its first coroutine.
    pub(super) fn begin(&'static self) {
        static WORD: OnceLock<Option<Word>> = OnceLock::new();
        self.place.set(self.nowhere.as_ptr());
        // Makes `stacker` ask the system for the thread's own limit, if it has not done so before.
        let known = stacker::remaining_stack().is_some();
        let word = known.then(|| *WORD.get_or_init(|| panic::catch_unwind(find).ok().flatten())).flatten();
        if let Some(place) = word.and_then(Word::address) {
            self.place.set(ptr::with_exposed_provenance_mut(place));
            if !self.is_it() {
                self.place.set(self.nowhere.as_ptr());
            }
        }
    }

    /// Sets the limit and returns the previous one. Called after `begin`.
    #[inline]
    pub(super) fn replace(&self, limit: usize) -> usize {
        let place = self.place.get();
        // SAFETY: since `begin` it points to a word in a thread-local of its own thread, and no other thread uses it.
        let before = unsafe { place.read_volatile() };
        // SAFETY: as above. In `stacker` the word is inside a cell that is only accessed by `get` and `set`, so this
        // write looks like its own `set`. The value comes from `stacker` or is a coroutine's limit.
        unsafe { place.write_volatile(limit) };
        before
    }

    /// Returns `true` if `stacker` uses the value that is written there.
    #[inline(never)]
    fn is_it(&self) -> bool {
        const LOW: usize = 1 << 12;
        // Two limits below any stack, which are never reached.
        let before = self.replace(LOW);
        let more = stacker::remaining_stack();
        self.replace(2 * LOW);
        let less = stacker::remaining_stack();
        self.replace(before);
        more.zip(less).is_some_and(|(more, less)| more.checked_sub(less) == Some(LOW))
    }
}

/// Searches for the word that changes when `stacker` enters a stack of its own, and again when it enters another from
/// there. On the way back, the word must have the same values again.
fn find() -> Option<Word> {
    /// Enough stack to call the loader.
    const SIZE: usize = 256 << 10;
    let mut taken = vec![Snapshot::take()];
    stacker::grow(SIZE, || {
        taken.push(Snapshot::take());
        stacker::grow(SIZE, || taken.push(Snapshot::take()));
        taken.push(Snapshot::take());
    });
    taken.push(Snapshot::take());
    words::find(&taken, |values| {
        let [outside, inside, inner, back, out] = values else { return false };
        // The stacks that `stacker` maps begin at a page boundary.
        let are_stacks = [inside, inner].iter().all(|limit| **limit != 0 && **limit % (1 << 12) == 0);
        are_stacks && outside != inside && inside != inner && inner != outside && inside == back && outside == out
    })
}
