//! Whether a thread has begun to end.
//!
//! A program may borrow from a thread-local while it is suspended: `LocalKey::with` lends it for the time of a call, and the call
//! goes on when the program does. A thread that ends destroys its thread-locals one after the other. What holds the program may lie
//! in one of them, and be destroyed after that from which the program has borrowed: if it let the program run then, to its end, the
//! program would read what is gone. So a program that was suspended before the first was destroyed is not run any more.
//!
//! Thread-locals are destroyed in the opposite order of that in which they were first used, and the thread says nothing before. So
//! a destructor of this file's own is registered after all others that there are when a program is suspended: it runs before them,
//! and leaves a mark. Whether others were registered since is seen at the head of the system's list of destructors, a word in its
//! thread-locals. Where that is not found there is one such destructor, registered when the thread first suspends a program.

use std::cell::Cell;
use std::ptr;

/// What is known of the end of a thread.
pub(super) struct Exit {
    /// Zero until the thread makes its first coroutine. Counted up by each such destructor.
    stage: Cell<u32>,
    /// The head of the list, once the thread has made one.
    head: Cell<*const usize>,
    /// What it was when the last such destructor had just been registered.
    marked: Cell<usize>,
    /// What stands for the head where that is not found.
    nowhere: Cell<usize>,
}

impl Exit {
    pub(super) const fn new() -> Exit {
        Exit { stage: Cell::new(0), head: Cell::new(ptr::null()), marked: Cell::new(0), nowhere: Cell::new(1) }
    }

    /// How far the thread has come. What was suspended at another stage must not run again.
    #[inline]
    pub(super) fn stage(&self) -> u32 {
        self.stage.get()
    }

    /// Finds the head of the list for the thread, which makes its first coroutine.
    pub(super) fn begin(&'static self) {
        self.head.set(list::head().unwrap_or(self.nowhere.as_ptr()));
        self.stage.set(1);
    }

    /// A program was suspended, and may have borrowed from any thread-local that there is. To be called after `begin`.
    #[inline]
    pub(super) fn prepare(&self) {
        if self.head() != self.marked.get() {
            self.mark();
        }
    }

    #[cold]
    fn mark(&self) {
        list::register();
        self.marked.set(self.head());
    }

    #[inline]
    fn head(&self) -> usize {
        // SAFETY: since `begin` it is a word in the thread-locals of the thread whose this is, and lasts as long as that.
        unsafe { self.head.get().read_volatile() }
    }
}

/// Runs before what was registered earlier is destroyed.
fn end() {
    let exit = &super::on_thread().exit;
    exit.stage.set(exit.stage.get().wrapping_add(1).max(1));
    exit.marked.set(usize::MAX);
}

/// The list as the GNU C library keeps it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod list {
    use std::ffi::{c_int, c_void};
    use std::ptr;
    use std::sync::OnceLock;

    use super::super::words::{self, Snapshot, Word};

    unsafe extern "C" {
        /// As the standard library uses it for `thread_local!`.
        fn __cxa_thread_atexit_impl(
            destructor: unsafe extern "C" fn(*mut c_void),
            object: *mut c_void,
            module: *const c_void,
        ) -> c_int;
    }

    unsafe extern "C" fn destructor(_: *mut c_void) {
        super::end();
    }

    pub(super) fn register() {
        /// Some address of this module, so that it is not unloaded before.
        static MODULE: u8 = 0;
        // SAFETY: the destructor takes any object, and touches nothing but thread-locals without destructors.
        unsafe { __cxa_thread_atexit_impl(destructor, ptr::null_mut(), (&raw const MODULE).cast()) };
    }

    pub(super) fn head() -> Option<*const usize> {
        static WORD: OnceLock<Option<Word>> = OnceLock::new();
        WORD.get_or_init(find).and_then(Word::address).map(ptr::with_exposed_provenance)
    }

    /// Looks for the word that changes whenever a destructor is registered, and does not when memory is taken as for that.
    fn find() -> Option<Word> {
        register();
        let mut taken = vec![Snapshot::take()];
        for _ in 0..3 {
            register();
            taken.push(Snapshot::take());
            // SAFETY: memory of the size of an entry, which is given back below.
            let memory = unsafe { libc::calloc(4, size_of::<usize>()) };
            taken.push(Snapshot::take());
            // SAFETY: the memory just taken.
            unsafe { libc::free(memory) };
        }
        words::find(&taken, |values| {
            let [before, first, still, second, again, third, end] = values else { return false };
            let changes = [before, first, second, third];
            let is_address = changes.iter().all(|value| **value != 0 && **value % align_of::<usize>() == 0);
            let are_distinct = changes.iter().enumerate().all(|(place, value)| !changes[..place].contains(value));
            is_address && are_distinct && first == still && second == again && third == end
        })
    }
}

/// The list as the standard library keeps it, or a system that says nothing of its own.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod list {
    struct Mark;

    impl Drop for Mark {
        fn drop(&mut self) {
            super::end();
        }
    }

    thread_local! {
        static MARK: Mark = const { Mark };
    }

    pub(super) fn register() {
        // Once a thread; while it ends, never.
        let _ = MARK.try_with(|_| ());
    }

    pub(super) fn head() -> Option<*const usize> {
        None
    }
}
