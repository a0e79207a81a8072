//! Writing into a bridge: at once where there is room, else a wait; one write at a time, however many threads write.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_io::AsyncWrite as _;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::{self, StallTimeoutError, Stopped};
use crate::lent::Lent;
use crate::{exit, park};

/// The number of errors of a bridge without a reader that a program may ignore, as in the core. An encoder that is given up half
/// way makes a handful of its own.
pub(crate) const MAX_REFUSALS: u32 = 64;

pub(crate) struct Outlet {
    state: Mutex<State>,
    /// A write has ended for which others wait.
    turn: Condvar,
    pub(crate) lent: Lent,
    stall_timeout: Option<Duration>,
    refusals: AtomicU32,
}

struct State {
    /// None once the bridge has ended from this side.
    writer: Option<pushpull::Writer>,
    /// Whether a write is waiting for room. The others wait for it.
    busy: bool,
    /// How many bytes have been written.
    written: u64,
}

/// What a write still has to hand over.
enum Rest<'a> {
    Copied(&'a [u8]),
    Lent(Bytes),
}

impl Rest<'_> {
    /// Accepts what there is room for; ready when that is all.
    fn poll(&mut self, writer: &mut pushpull::Writer, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Rest::Lent(bytes) => writer.poll_write_bytes(bytes, context),
            Rest::Copied(bytes) => {
                while !bytes.is_empty() {
                    match Pin::new(&mut *writer).poll_write(context, bytes) {
                        Poll::Ready(Ok(len)) => *bytes = &bytes[len..],
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl Outlet {
    pub(crate) fn new(writer: pushpull::Writer, lent: Lent, stall_timeout: Option<Duration>) -> Outlet {
        Outlet {
            state: Mutex::new(State { writer: Some(writer), busy: false, written: 0 }),
            turn: Condvar::new(),
            lent,
            stall_timeout,
            refusals: AtomicU32::new(0),
        }
    }

    /// The lock is held for moments, and by no thread that waits for anything.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `bytes`, which are copied.
    pub(crate) fn write(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        self.put(py, bytes.len(), Rest::Copied(bytes))
    }

    /// Writes `bytes`, which the reader gets as they are.
    pub(crate) fn write_owned(&self, py: Python<'_>, bytes: Bytes) -> PyResult<()> {
        self.put(py, bytes.len(), Rest::Lent(bytes))
    }

    /// Writes an object, which the reader gets as it is.
    pub(crate) fn lend(&self, object: &Bound<'_, PyBytes>) -> PyResult<()> {
        self.write_owned(object.py(), self.lent.lend(object))
    }

    fn put(&self, py: Python<'_>, len: usize, mut rest: Rest<'_>) -> PyResult<()> {
        let mut state = self.lock();
        if !state.busy {
            let mut context = Context::from_waker(Waker::noop());
            let Some(writer) = state.writer.as_mut() else {
                drop(state);
                return Err(self.refuse(py, io::ErrorKind::BrokenPipe.into()));
            };
            match rest.poll(writer, &mut context) {
                Poll::Ready(Ok(())) => {
                    state.written += len as u64;
                    return Ok(());
                }
                Poll::Ready(Err(error)) => {
                    drop(state);
                    return Err(self.refuse(py, error));
                }
                // No other write is to come in between.
                Poll::Pending => state.busy = true,
            }
            drop(state);
        } else {
            drop(state);
            self.wait_turn(py);
        }
        let result = self.wait(py, &mut rest).and_then(|result| result.map_err(|error| self.refuse(py, error)));
        let mut state = self.lock();
        state.busy = false;
        if result.is_ok() {
            state.written += len as u64;
        }
        drop(state);
        self.turn.notify_one();
        result
    }

    fn wait_turn(&self, py: Python<'_>) {
        exit::detached(py, || {
            let state = self.lock();
            let mut state = self.turn.wait_while(state, |state| state.busy).unwrap_or_else(PoisonError::into_inner);
            state.busy = true;
        });
    }

    /// Waits until all is accepted.
    fn wait(&self, py: Python<'_>, rest: &mut Rest<'_>) -> PyResult<io::Result<()>> {
        loop {
            let pulled = self.pulled();
            if let Some(result) = park::until(py, self.stall_timeout, |context| self.poll_rest(rest, context))? {
                return Ok(result);
            }
            if self.pulled() == pulled {
                let error = || StallTimeoutError::new_err("the reading side has pulled nothing for stall_timeout");
                self.end(Err(error()));
                return Err(error());
            }
        }
    }

    fn poll_rest(&self, rest: &mut Rest<'_>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.lock().writer.as_mut() {
            Some(writer) => rest.poll(writer, context),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// How many chunks have been pulled; none of a bridge that has ended.
    fn pulled(&self) -> Option<u64> {
        self.lock().writer.as_ref().map(|writer| writer.stats().chunks)
    }

    /// Accepts a part of `bytes`, and takes it from them; ready when that is all, and then it is what one write wrote. At most
    /// one task may be waiting for that.
    pub(crate) fn poll(&self, py: Python<'_>, bytes: &mut Bytes, context: &mut Context<'_>) -> Poll<PyResult<()>> {
        let before = bytes.len();
        let mut rest = Rest::Lent(std::mem::take(bytes));
        let polled = self.poll_rest(&mut rest, context);
        if let Rest::Lent(rest) = rest {
            *bytes = rest;
        }
        self.lock().written += (before - bytes.len()) as u64;
        polled.map_err(|error| self.refuse(py, error))
    }

    /// Ends the chunk here.
    pub(crate) fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let mut state = self.lock();
        let result = match (state.busy, state.writer.as_mut()) {
            // What another thread is writing ends in a chunk of its own.
            (true, _) => Ok(()),
            (false, Some(writer)) => writer.flush(),
            (false, None) => Err(io::ErrorKind::BrokenPipe.into()),
        };
        drop(state);
        result.map_err(|error| self.refuse(py, error))
    }

    /// A program that ignores too many errors is ended by an exception that `except Exception` does not catch.
    fn refuse(&self, py: Python<'_>, error: io::Error) -> PyErr {
        // An object that was not accepted is not on its way. What of the others still arrives is copied.
        self.lent.clear();
        if error.kind() == io::ErrorKind::BrokenPipe && self.refusals.fetch_add(1, Ordering::Relaxed) >= MAX_REFUSALS {
            return stopped();
        }
        error::to_py(py, error)
    }

    /// Ends the bridge from this side, for the first reason that is given. A write that waits in another thread is refused.
    pub(crate) fn end(&self, result: PyResult<()>) {
        let writer = self.lock().writer.take();
        if let Some(writer) = writer {
            match result {
                // If the reader is gone, it does not matter how this ends.
                Ok(()) => drop(writer.finish()),
                Err(error) => writer.abort(error::to_io(error)),
            }
        }
    }

    /// Returns `true` if what is written reaches no reader.
    pub(crate) fn is_disconnected(&self) -> bool {
        self.lock().writer.as_ref().is_none_or(pushpull::Writer::is_closed)
    }

    pub(crate) fn written(&self) -> u64 {
        self.lock().written
    }
}

/// The exception that ends a program that ignores that it is to end.
pub(crate) fn stopped() -> PyErr {
    Stopped::new_err(format!("the other side is gone, and the program ignored {MAX_REFUSALS} errors that said so"))
}
