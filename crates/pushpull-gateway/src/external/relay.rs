//! Between the task that watches over a program and the response that the host holds: first an answer, then chunks, one
//! at a time, then an end. Either side knows at once when the other has gone.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use bytes::Bytes;
use parking_lot::Mutex;

use pushpull::Error;

/// The program's end.
#[derive(Debug)]
pub(crate) struct Inlet<T>(Arc<Shared<T>>);

/// The response's end.
#[derive(Debug)]
pub(crate) struct Outlet<T>(Arc<Shared<T>>);

/// Who waits is registered before the state is looked at, and woken after it was changed.
#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    inlet: AtomicWaker,
    outlet: AtomicWaker,
}

#[derive(Debug)]
struct State<T> {
    answer: Option<T>,
    /// One only: as long as it is not taken, the program is held.
    chunk: Option<Bytes>,
    end: End,
    /// The response was dropped before it had all that belongs to it.
    gone: bool,
}

#[derive(Debug)]
enum End {
    Open,
    Well,
    Failed(io::Error),
    Told,
}

pub(crate) fn relay<T>() -> (Inlet<T>, Outlet<T>) {
    let state = Mutex::new(State { answer: None, chunk: None, end: End::Open, gone: false });
    let shared = Arc::new(Shared { state, inlet: AtomicWaker::new(), outlet: AtomicWaker::new() });
    (Inlet(shared.clone()), Outlet(shared))
}

impl<T> Inlet<T> {
    /// What everything else comes after. The response is given it once.
    pub(crate) fn answer(&self, answer: T) {
        self.change(|state| state.answer = Some(answer));
    }

    /// Whether there is room for a chunk.
    pub(crate) fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        self.0.inlet.register(context.waker());
        if self.is_full() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// A chunk waits to be taken.
    pub(crate) fn is_full(&self) -> bool {
        self.0.state.lock().chunk.is_some()
    }

    /// Hands over a chunk, for which there is room.
    pub(crate) fn send(&self, chunk: Bytes) {
        self.change(|state| {
            debug_assert!(state.chunk.is_none(), "there was no room");
            state.chunk = (!state.gone).then_some(chunk);
        });
    }

    /// Nothing follows. A first end stays.
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

    /// Ready when the response has gone without all that belongs to it.
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
    /// The answer; `None` if there will be none.
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
        match std::mem::replace(&mut state.end, End::Told) {
            End::Open => {
                state.end = End::Open;
                Poll::Pending
            }
            End::Failed(error) => Poll::Ready(Some(Err(error))),
            // Kept: that all is over is asked later too.
            End::Well => {
                state.end = End::Well;
                Poll::Ready(None)
            }
            End::Told => Poll::Ready(None),
        }
    }

    /// All of what there is, if nothing more will come and it ended well.
    pub(crate) fn take_whole(&mut self) -> Option<Bytes> {
        let mut state = self.0.state.lock();
        matches!(state.end, End::Well).then(|| state.chunk.take().unwrap_or_default())
    }

    /// Everything has been taken, and it ended well.
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
