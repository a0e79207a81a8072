//! The chain of coroutines that run on this thread, and what the running code asks of it: may it wait, and who is
//! suspended then.

use std::cell::Cell;
use std::ptr;
#[cfg(all(unix, not(any(miri, pushpull_loom))))]
use std::sync::atomic::AtomicBool;
use std::task::Waker;

use super::exit::Exit;
use super::limit::Limit;
use super::variable::on_thread;
use super::{Frame, Refused};
use crate::runtime::fairness::Turn;
use crate::runtime::waker;
#[cfg(all(unix, not(any(miri, pushpull_loom))))]
use crate::sys::fork;

/// The state that the coroutines of a thread share.
pub(super) struct OnThread {
    /// The innermost frame that runs on the thread; null on the thread's own stack.
    pub(super) current: Cell<*const Frame>,
    pub(super) limit: Limit,
    pub(super) exit: Exit,
}

impl OnThread {
    pub(super) const fn new() -> OnThread {
        OnThread { current: Cell::new(ptr::null()), limit: Limit::new(), exit: Exit::new() }
    }
}

/// Returns this thread, prepared for a coroutine.
#[inline]
pub(super) fn begin() -> &'static OnThread {
    let thread = on_thread();
    if thread.exit.stage() == 0 {
        begin_first(thread);
    }
    thread
}

#[cold]
fn begin_first(thread: &'static OnThread) {
    thread.limit.begin();
    thread.exit.begin();
    #[cfg(all(unix, not(any(miri, pushpull_loom))))]
    {
        static IS_SET: AtomicBool = AtomicBool::new(false);
        fork::in_child(&IS_SET, stay);
    }
}

/// Returns the frames that run on this thread, the innermost first.
pub(super) fn chain() -> impl Iterator<Item = &'static Frame> {
    // The true lifetime is shorter, but the frames do not leave this folder.
    std::iter::successors(frame(on_thread().current.get()), |inner| frame(inner.below.get()))
}

fn frame(place: *const Frame) -> Option<&'static Frame> {
    // SAFETY: a pointer on the chain is null or points into the `Shared` of a coroutine that is being resumed. The
    // `resume` keeps it alive, and takes the frame off the chain before it returns.
    unsafe { place.as_ref() }
}

fn polled() -> Option<&'static Frame> {
    chain().find(|frame| !frame.waker.get().is_null())
}

/// Stores a clone of the waker of the innermost coroutine that was entered by a poll, unless `kept` wakes the same.
/// Returns `false` if there is no such coroutine.
pub(crate) fn keep_waker(kept: &mut Option<Waker>) -> bool {
    let Some(frame) = polled() else { return false };
    // SAFETY: the waker is borrowed by the `resume` that entered the frame, which has not returned.
    waker::discard(waker::keep(kept, unsafe { &*frame.waker.get() }));
    true
}

/// Suspends the coroutine of [`keep_waker`], with everything nested in it, until it is polled again.
pub(crate) fn suspend_polled() -> Result<(), Refused> {
    if refuses_to_wait() {
        return Err(Refused);
    }
    let frame = polled().expect("no coroutine was entered by a poll");
    frame.turn.set(Turn::new());
    frame.waits.set(frame.waits.get() + 1);
    frame.suspend(|| ())
}

/// Returns the number of times that a wait has suspended the coroutine of [`keep_waker`].
pub(crate) fn waits() -> u64 {
    polled().map_or(0, |frame| frame.waits.get())
}

/// Returns `true` if a wait here suspends a coroutine, and `false` if it parks the thread.
pub(crate) fn is_polled() -> bool {
    polled().is_some()
}

/// Makes waits of this thread's running coroutines park the thread, in the child of a `fork`. A suspension would return
/// to the code that polled them, which belongs to the parent and must not continue in two processes.
#[cfg(all(unix, not(any(miri, pushpull_loom))))]
extern "C" fn stay() {
    chain().for_each(|frame| frame.waker.set(ptr::null()));
}

/// Counts bytes moved by the innermost coroutine that was entered by a poll. Returns `true` if its turn is over.
pub(crate) fn turn_is_over(bytes: usize) -> bool {
    polled().is_some_and(|frame| {
        let mut turn = frame.turn.get();
        turn.count(bytes);
        frame.turn.set(turn);
        turn.is_over()
    })
}

/// Returns `true` if the running code is in a bridge that is closing, or if it unwinds.
pub(crate) fn refuses_to_wait() -> bool {
    let closing = || chain().any(|frame| frame.closed.get());
    frame(on_thread().current.get()).is_some_and(|innermost| innermost.unwinding() || closing())
}
