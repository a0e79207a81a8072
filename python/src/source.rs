//! Pulling from a bridge: the reader, the start of the program, and the report of its end.

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream as _;
use pyo3::PyTraverseError;
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;

use crate::error::{self, StallTimeoutError, TruncatedError};
use crate::lent::Lent;
use crate::{exit, park};

pub(crate) struct Source {
    chunks: Mutex<Option<pushpull::Chunks>>,
    /// Whether a thread is pulling.
    pulled: AtomicBool,
    program: Mutex<Program>,
    pub(crate) lent: Lent,
}

/// The Python side of a bridge: what starts its program, and what receives its end.
#[derive(Default)]
struct Program {
    start: Option<Py<PyAny>>,
    on_end: Option<Py<PyAny>>,
    stats: (u64, u64),
    /// Whether a reader was given an error at the end.
    failed: bool,
}

/// Lets one thread pull at a time.
struct Turn<'a>(&'a AtomicBool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source {
    pub(crate) fn new(chunks: pushpull::Chunks, lent: Lent) -> Source {
        Source { chunks: Mutex::new(Some(chunks)), pulled: AtomicBool::new(false), program: Mutex::default(), lent }
    }

    /// Sets what starts the program, at the first pull, and what is called once it has ended, with `(outcome, error, bytes,
    /// chunks)`.
    pub(crate) fn set_program(&self, start: Py<PyAny>, on_end: Option<Py<PyAny>>) {
        let before =
            mem::replace(&mut *lock(&self.program), Program { start: Some(start), on_end, ..Program::default() });
        drop(before);
    }

    fn turn(&self) -> PyResult<Turn<'_>> {
        if self.pulled.swap(true, Ordering::Acquire) {
            return Err(PyRuntimeError::new_err("another thread is pulling from this bridge"));
        }
        Ok(Turn(&self.pulled))
    }

    /// Starts the program, if that is still to be done.
    pub(crate) fn begin(&self, py: Python<'_>) -> PyResult<()> {
        let start = lock(&self.program).start.take();
        match start {
            None => Ok(()),
            Some(start) => {
                let _inside = exit::calling(py);
                start.call0(py).map(drop)
            }
        }
    }

    fn poll_chunks(&self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match lock(&self.chunks).as_mut() {
            Some(chunks) => Pin::new(chunks).poll_next(context),
            None => Poll::Ready(None),
        }
    }

    /// Returns the next chunk, and waits for it. None is the end.
    pub(crate) fn next(&self, py: Python<'_>) -> PyResult<Option<Bytes>> {
        let _turn = self.turn()?;
        self.begin(py)?;
        let next = match self.poll_chunks(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(next) => Some(next),
            Poll::Pending => park::until(py, None, |context| self.poll_chunks(context))?,
        };
        next.map_or(Ok(None), |next| self.settle(py, next))
    }

    /// Returns the next chunk, if it is there; else `waker` is woken.
    pub(crate) fn poll(&self, py: Python<'_>, waker: &Waker) -> Poll<PyResult<Option<Bytes>>> {
        let _turn = match self.turn() {
            Ok(turn) => turn,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if let Err(error) = self.begin(py) {
            return Poll::Ready(Err(error));
        }
        self.poll_chunks(&mut Context::from_waker(waker)).map(|next| self.settle(py, next))
    }

    fn settle(&self, py: Python<'_>, next: Option<io::Result<Bytes>>) -> PyResult<Option<Bytes>> {
        match next.transpose() {
            Ok(None) => {
                self.end(py, "finished", None);
                Ok(None)
            }
            Ok(chunk) => Ok(chunk),
            Err(error) => {
                let error = error::to_py(py, error);
                let outcome = if error.is_instance_of::<TruncatedError>(py) {
                    "truncated"
                } else if error.is_instance_of::<StallTimeoutError>(py) {
                    "stalled"
                } else {
                    "failed"
                };
                self.end(py, outcome, Some(&error));
                Err(error)
            }
        }
    }

    /// The bridge has ended: says so, once, if its program was started.
    fn end(&self, py: Python<'_>, outcome: &str, error: Option<&PyErr>) {
        let stats = self.stats();
        let mut program = lock(&self.program);
        program.stats = stats;
        program.failed |= error.is_some();
        let on_end = program.on_end.take();
        drop(program);
        self.lent.clear();
        let Some(on_end) = on_end else { return };
        let _inside = exit::calling(py);
        let error = error.map(|error| error.clone_ref(py).into_value(py));
        if let Err(error) = on_end.call1(py, (outcome, error, stats.0, stats.1)) {
            // It has no caller of its own, and the chunk's caller is not to blame.
            error.write_unraisable(py, Some(on_end.bind(py)));
        }
    }

    /// Closes the reading end. The program's next write fails. Does not wait for the program.
    pub(crate) fn close(&self, py: Python<'_>) {
        let mut program = lock(&self.program);
        let start = program.start.take();
        if start.is_some() {
            // A program that never began has no end to report.
            let on_end = program.on_end.take();
            drop(program);
            drop((start, on_end));
        } else {
            drop(program);
        }
        let stats = self.stats();
        let Some(chunks) = lock(&self.chunks).take() else { return };
        lock(&self.program).stats = stats;
        // This wakes a thread or a task that waits for a chunk.
        drop(chunks);
        self.end(py, "disconnected", None);
    }

    /// Returns how many bytes, and in how many chunks, have been pulled.
    pub(crate) fn stats(&self) -> (u64, u64) {
        match lock(&self.chunks).as_ref().map(pushpull::Chunks::stats) {
            Some(stats) => (stats.bytes, stats.chunks),
            None => lock(&self.program).stats,
        }
    }

    /// Returns `true` if the bridge has ended with an error.
    pub(crate) fn has_failed(&self) -> bool {
        lock(&self.program).failed
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.program.try_lock() {
            Ok(program) => {
                visit.call(&program.start)?;
                visit.call(&program.on_end)
            }
            Err(_) => Ok(()),
        }
    }

    pub(crate) fn clear(&self) {
        let before = mem::take(&mut *lock(&self.program));
        drop(before);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // Python drops it under its lock. An exception may be on its way there.
        Python::try_attach(|py| {
            let raised = PyErr::take(py);
            self.close(py);
            if let Some(raised) = raised {
                raised.restore(py);
            }
        });
    }
}
