//! The program that runs on this thread.

use std::cell::RefCell;
use std::io;
use std::ptr;
use std::sync::Arc;
use std::thread;

use super::program::Program;
use crate::channel::Channel;

thread_local! {
    /// The channel of that program.
    static CURRENT: RefCell<Option<Arc<Channel>>> = const { RefCell::new(None) };
}

/// Returns the channel of that program. `None` in a child that a program has forked, because the bridge stays with the
/// parent.
pub(crate) fn channel() -> Option<Arc<Channel>> {
    let own = |current: &RefCell<Option<Arc<Channel>>>| current.borrow().clone();
    CURRENT.try_with(own).ok().flatten().filter(|channel| !channel.program.is_left_behind())
}

/// Runs a channel's whole program, or one turn of it. Takes the channel and returns it, so that a turn does not change
/// its reference count.
pub(crate) fn enter(channel: Arc<Channel>, turn: impl FnOnce()) -> Arc<Channel> {
    #[cfg(feature = "tracing")]
    let span = channel.program.span.get().map(|span| tracing::Span::clone(span));
    #[cfg(feature = "tracing")]
    let _entered = span.as_ref().map(tracing::Span::enter);
    CURRENT.set(Some(channel));
    turn();
    CURRENT.take().expect("turns must not overlap on a thread")
}

/// Counts a refused read or write of `program`, and returns `error`. Unwinds the program if it ignored too many.
pub(crate) fn refuse(program: &Program, error: io::Error) -> io::Error {
    // If a reader or writer was moved to another thread, the code there is not the program and must not be unwound.
    let own =
        || CURRENT.with_borrow(|current| current.as_ref().is_some_and(|current| ptr::eq(&current.program, program)));
    if program.refusals.is_enough() && own() && !thread::panicking() {
        program.refusals.unwind();
    }
    error
}
