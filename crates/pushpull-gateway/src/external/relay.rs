//! Connects the task that watches a program with the response that the host holds. It passes an answer, then chunks one
//! at a time, then an end. Each side sees at once when the other is dropped.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use bytes::Bytes;
use parking_lot::Mutex;

use pushpull::Error;

/// The end of the program.
#[derive(Debug)]
pub(crate) struct Inlet<T>(Arc<Shared<T>>);

/// The end of the response.
#[derive(Debug)]
pub(crate) struct Outlet<T>(Arc<Shared<T>>);

/// A side registers its waker before it looks at the state, and wakes the other after it has changed the state.
#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    inlet: AtomicWaker,
    outlet: AtomicWaker,
}

#[derive(Debug)]
struct State<T> {
    answer: Option<T>,
    /// One chunk. Until it is taken, the program is blocked.
    chunk: Option<Bytes>,
    end: End,
    /// The response was dropped before it was complete.
    gone: bool,
}

#[derive(Debug)]
enum End {
    Open,
    Well,
    Failed(io::Error),
    Taken,
}

pub(crate) fn relay<T>() -> (Inlet<T>, Outlet<T>) {
    let state = Mutex::new(State { answer: None, chunk: None, end: End::Open, gone: false });
    let shared = Arc::new(Shared { state, inlet: AtomicWaker::new(), outlet: AtomicWaker::new() });
    (Inlet(shared.clone()), Outlet(shared))
}

impl<T> Inlet<T> {
    /// Sends the answer, which precedes everything else. The response receives it once.
    pub(crate) fn answer(&self, answer: T) {
        self.change(|state| state.answer = Some(answer));
    }

    /// Polls for room for a chunk.
    pub(crate) fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        self.0.inlet.register(context.waker());
        if self.is_full() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Returns `true` if a chunk has not been taken yet.
    pub(crate) fn is_full(&self) -> bool {
        self.0.state.lock().chunk.is_some()
    }

    /// Sends a chunk. There must be room for it.
    pub(crate) fn send(&self, chunk: Bytes) {
        self.change(|state| {
            debug_assert!(state.chunk.is_none(), "there was no room");
            state.chunk = (!state.gone).then_some(chunk);
        });
    }

    /// Ends the response. A later end changes nothing.
    pub(crate) fn end(&self, result: io::Result<()>) {
        self.change(|state| {
            if matches!(state.end, End::Open) {
                state.end = match result {
                    Ok(()) => End::Well,
                    Err(error) => End::Failed(error),
                };
            }
        });
    }

    /// Polls for a response that was dropped before it was complete.
    pub(crate) fn poll_gone(&self, context: &Context<'_>) -> Poll<()> {
        self.0.inlet.register(context.waker());
        if self.0.state.lock().gone { Poll::Ready(()) } else { Poll::Pending }
    }

    fn change(&self, change: impl FnOnce(&mut State<T>)) {
        change(&mut self.0.state.lock());
        self.0.outlet.wake();
    }
}

impl<T> Outlet<T> {
    /// Polls for the answer; `None` if there will be none.
    pub(crate) fn poll_answer(&mut self, context: &Context<'_>) -> Poll<Option<T>> {
        self.0.outlet.register(context.waker());
        let mut state = self.0.state.lock();
        match state.answer.take() {
            None if matches!(state.end, End::Open) => Poll::Pending,
            answer => Poll::Ready(answer),
        }
    }

    pub(crate) fn poll_chunk(&mut self, context: &Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        self.0.outlet.register(context.waker());
        let mut state = self.0.state.lock();
        if let Some(chunk) = state.chunk.take() {
            drop(state);
            self.0.inlet.wake();
            return Poll::Ready(Some(Ok(chunk)));
        }
        match std::mem::replace(&mut state.end, End::Taken) {
            End::Open => {
                state.end = End::Open;
                Poll::Pending
            }
            End::Failed(error) => Poll::Ready(Some(Err(error))),
            // Kept for later calls of `is_over`.
            End::Well => {
                state.end = End::Well;
                Poll::Ready(None)
            }
            End::Taken => Poll::Ready(None),
        }
    }

    /// Takes all that is left, if nothing more will come and it ended well.
    pub(crate) fn take_whole(&mut self) -> Option<Bytes> {
        let mut state = self.0.state.lock();
        matches!(state.end, End::Well).then(|| state.chunk.take().unwrap_or_default())
    }

    /// Returns `true` if everything has been taken, and it ended well.
    pub(crate) fn is_over(&self) -> bool {
        self.0.state.lock().is_over()
    }
}

impl<T> State<T> {
    fn is_over(&self) -> bool {
        self.answer.is_none() && self.chunk.is_none() && matches!(self.end, End::Well)
    }
}

impl<T> Drop for Inlet<T> {
    fn drop(&mut self) {
        self.end(Err(Error::truncated()));
    }
}

impl<T> Drop for Outlet<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.gone = !state.is_over();
        let unwanted = (state.answer.take(), state.chunk.take());
        drop(state);
        self.0.outlet.take();
        self.0.inlet.wake();
        drop(unwanted);
    }
}
