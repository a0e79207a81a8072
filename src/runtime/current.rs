//! The program that this thread runs at the moment.

use std::cell::RefCell;
use std::io;
use std::ptr;
use std::sync::Arc;
use std::thread;

use super::program::Program;
use crate::channel::Channel;

thread_local! {
    /// The channel that it lies in.
    static CURRENT: RefCell<Option<Arc<Channel>>> = const { RefCell::new(None) };
}

/// Its channel. `None` in a child that a program has forked, which is nobody's.
pub(crate) fn channel() -> Option<Arc<Channel>> {
    let own = |current: &RefCell<Option<Arc<Channel>>>| current.borrow().clone();
    CURRENT.try_with(own).ok().flatten().filter(|channel| !channel.program.is_left_behind())
}

/// Runs all of this channel's program, or one turn of it. Takes the channel and gives it back, so that a turn costs no
/// count.
pub(crate) fn enter(channel: Arc<Channel>, turn: impl FnOnce()) -> Arc<Channel> {
    #[cfg(feature = "tracing")]
    let span = channel.program.span.get().map(|span| tracing::Span::clone(span));
    #[cfg(feature = "tracing")]
    let _entered = span.as_ref().map(tracing::Span::enter);
    CURRENT.set(Some(channel));
    turn();
    CURRENT.take().expect("turns do not overlap on a thread")
}

/// Counts a refused read or write of `program`, and gives the error for it; or unwinds it if it has had enough of them.
pub(crate) fn refuse(program: &Program, error: io::Error) -> io::Error {
    // A reader or writer may have got away to another thread, which is not this program's to unwind.
    let own =
        || CURRENT.with_borrow(|current| current.as_ref().is_some_and(|current| ptr::eq(&current.program, program)));
    if program.refusals.is_enough() && own() && !thread::panicking() {
        program.refusals.unwind();
    }
    error
}
