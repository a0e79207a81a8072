//! Whether a thread has begun to destroy its thread-locals.
//!
//! A program may borrow from a thread-local while it is suspended: `LocalKey::with` lends it for one call, and the call
//! continues when the program does. A thread that ends destroys its thread-locals one after the other. One of them may
//! hold the program, and may be destroyed after the one that the program borrows from. If it then resumed the program,
//! the program would read freed memory. So a program that was suspended before the first thread-local was destroyed is
//! not resumed.
//!
//! Thread-locals are destroyed in the reverse order of their first use, without notice. So this file registers a
//! destructor of its own after all others that exist when a program is suspended. It runs first and leaves a mark. The
//! head of the system's list of destructors, a word in its thread-locals, shows whether others were registered since.
//! If that word is not found, one destructor is registered, when the thread first suspends a program.
//!
//! Windows calls functions of the program when a thread ends, in the order of their sections' names. The standard library
//! destroys thread-locals in one of them, and this file has one before it.

use std::cell::Cell;
use std::ptr;

/// What a thread knows about its end.
pub(super) struct Exit {
    /// Zero until the thread makes its first coroutine. Incremented by each destructor of this file.
    stage: Cell<u32>,
    /// The address of the list's head, once the thread has made a coroutine.
    head: Cell<*const usize>,
    /// The head just after the last destructor of this file was registered.
    marked: Cell<usize>,
    /// A stand-in for the head where that is not found.
    nowhere: Cell<usize>,
}

impl Exit {
    pub(super) const fn new() -> Exit {
        Exit { stage: Cell::new(0), head: Cell::new(ptr::null()), marked: Cell::new(0), nowhere: Cell::new(1) }
    }

    /// Returns the current stage. A program that was suspended at another stage must not be resumed.
    #[inline]
    pub(super) fn stage(&self) -> u32 {
        self.stage.get()
    }

    /// Finds the list's head for a thread that makes its first coroutine.
    pub(super) fn begin(&'static self) {
        self.head.set(list::head().unwrap_or(self.nowhere.as_ptr()));
        self.stage.set(1);
    }

    /// Prepares for the thread's end after a program was suspended, which may have borrowed from any thread-local.
    /// Called after `begin`.
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
        // SAFETY: since `begin` it points to a word in the thread-locals of its own thread, which lasts as long as the
        // thread.
        unsafe { self.head.get().read_volatile() }
    }
}

/// Marks the thread as ending. Runs before the destructors that were registered earlier.
fn end() {
    let exit = &super::variable::on_thread().exit;
    exit.stage.set(exit.stage.get().wrapping_add(1).max(1));
    exit.marked.set(usize::MAX);
}

/// The list of destructors in the GNU C library.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod list {
    use std::ffi::{c_int, c_void};
    use std::ptr;
    use std::sync::OnceLock;

    use super::super::words::{self, Snapshot, Word};

    unsafe extern "C" {
        /// Registers a destructor; the standard library uses this for `thread_local!`.
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
        /// An address of this module, so that the module is not unloaded before the destructor runs.
        static MODULE: u8 = 0;
        // SAFETY: the destructor accepts any object, and touches only thread-locals without destructors.
        unsafe { __cxa_thread_atexit_impl(destructor, ptr::null_mut(), (&raw const MODULE).cast()) };
    }

    pub(super) fn head() -> Option<*const usize> {
        static WORD: OnceLock<Option<Word>> = OnceLock::new();
        WORD.get_or_init(find).and_then(Word::address).map(ptr::with_exposed_provenance)
    }

    /// Searches for the word that changes when a destructor is registered, but not when memory of the same size is
    /// allocated.
    fn find() -> Option<Word> {
        register();
        let mut taken = vec![Snapshot::take()];
        for _ in 0..3 {
            register();
            taken.push(Snapshot::take());
            // SAFETY: memory of the size of an entry, freed below.
            let memory = unsafe { libc::calloc(4, size_of::<usize>()) };
            taken.push(Snapshot::take());
            // SAFETY: the memory just allocated.
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

/// The call of Windows when a thread, or the process, ends.
#[cfg(windows)]
mod list {
    use std::ffi::c_void;

    /// `DLL_PROCESS_DETACH` and `DLL_THREAD_DETACH`.
    const ENDS: [u32; 2] = [0, 3];

    /// The standard library's function lies in `.CRT$XLB`.
    // SAFETY: the section holds functions of this type, which the system calls.
    #[used]
    #[unsafe(link_section = ".CRT$XLAP")]
    static CALLED: unsafe extern "system" fn(*mut c_void, u32, *mut c_void) = called;

    unsafe extern "system" fn called(_: *mut c_void, reason: u32, _: *mut c_void) {
        // A thread that has made no coroutine has no program to keep from running.
        if ENDS.contains(&reason) && super::super::variable::on_thread().exit.stage() != 0 {
            super::end();
        }
    }

    /// Makes the linker keep the function. The system calls it on every thread.
    pub(super) fn register() {
        // SAFETY: a static of this file.
        unsafe { (&raw const CALLED).read_volatile() };
    }

    pub(super) fn head() -> Option<*const usize> {
        None
    }
}

/// The list of destructors in the standard library, or in a system that does not reveal its own.
#[cfg(not(any(windows, all(target_os = "linux", target_env = "gnu"))))]
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
        // Takes effect once a thread, and not while the thread ends.
        let _ = MARK.try_with(|_| ());
    }

    pub(super) fn head() -> Option<*const usize> {
        None
    }
}
