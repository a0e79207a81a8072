//! What the crate `stacker` believes of the stack that runs.
//!
//! Parsers and compilers ask it how much of their stack is left. It keeps the lowest address of the stack in a thread-local of its
//! own, which is the thread's until it has switched to a larger stack itself. On a coroutine that would be wrong both ways: where the
//! coroutine lies below the thread's stack nothing seems to be left, and where it lies above it there seems to be no end. So each
//! switch exchanges that word, as it exchanges the stack pointer. The crate has no function for it: the word is found by what its
//! own functions do to it, once in a process, and tried on each thread before it is used.

use std::cell::Cell;
use std::panic;
use std::ptr;
use std::sync::OnceLock;

use super::words::{self, Snapshot, Word};

/// The limit of the stack that runs on a thread.
pub(super) struct Limit {
    /// Where the word is, once the thread has made a coroutine.
    place: Cell<*mut usize>,
    /// What is written in its place where it is not found.
    nowhere: Cell<usize>,
}

impl Limit {
    pub(super) const fn new() -> Limit {
        Limit { place: Cell::new(ptr::null_mut()), nowhere: Cell::new(0) }
    }

    /// Looks for the word of the thread, which makes its first coroutine.
    pub(super) fn begin(&'static self) {
        static WORD: OnceLock<Option<Word>> = OnceLock::new();
        self.place.set(self.nowhere.as_ptr());
        // The thread's own limit is asked from the system now, if it was not before.
        let known = stacker::remaining_stack().is_some();
        let word = known.then(|| *WORD.get_or_init(|| panic::catch_unwind(find).ok().flatten())).flatten();
        if let Some(place) = word.and_then(Word::address) {
            self.place.set(ptr::with_exposed_provenance_mut(place));
            if !self.is_it() {
                self.place.set(self.nowhere.as_ptr());
            }
        }
    }

    /// Sets it, and returns what it was. To be called after `begin`.
    #[inline]
    pub(super) fn replace(&self, limit: usize) -> usize {
        let place = self.place.get();
        // SAFETY: since `begin` it is a word in a thread-local of the thread whose this is, and which alone uses it.
        let before = unsafe { place.read_volatile() };
        // SAFETY: as above. In `stacker` the word is inside of a cell, and nothing but `get` and `set` is ever done to that: they see
        // a limit that nobody else can tell from one that they have set. The value is `stacker`'s own or a coroutine's.
        unsafe { place.write_volatile(limit) };
        before
    }

    /// Whether `stacker` believes what is written there.
    #[inline(never)]
    fn is_it(&self) -> bool {
        const LOW: usize = 1 << 12;
        // Two limits that are below any stack, and so are never met.
        let before = self.replace(LOW);
        let more = stacker::remaining_stack();
        self.replace(2 * LOW);
        let less = stacker::remaining_stack();
        self.replace(before);
        more.zip(less).is_some_and(|(more, less)| more.checked_sub(less) == Some(LOW))
    }
}

/// Looks for the word that changes when `stacker` enters a stack of its own, and one from there, and has the same values again on
/// the way back.
fn find() -> Option<Word> {
    /// Enough to ask the loader.
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
        // Those that it maps itself begin with a page.
        let are_stacks = [inside, inner].iter().all(|limit| **limit != 0 && **limit % (1 << 12) == 0);
        are_stacks && outside != inside && inside != inner && inner != outside && inside == back && outside == out
    })
}
