//! The end that a program writes to: a file.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PyString};

use crate::error;
use crate::lent::LARGE;
use crate::outlet::Outlet;
use crate::wakeups::Wakeup;

/// The writing end of a bridge: a binary file.
///
/// A write waits while the bridge is full. It raises BrokenPipeError if the reading side is gone.
#[pyclass(module = "pushpull", weakref, frozen)]
pub(crate) struct Writer {
    outlet: Outlet,
    closed: AtomicBool,
    /// What an asynchronous write has left.
    rest: Mutex<Bytes>,
}

impl Writer {
    pub(crate) fn new(outlet: Outlet) -> Writer {
        Writer { outlet, closed: AtomicBool::new(false), rest: Mutex::default() }
    }

    fn check_open(&self) -> PyResult<()> {
        if self.closed.load(Ordering::Relaxed) { Err(closed_file()) } else { Ok(()) }
    }
}

pub(crate) fn closed_file() -> PyErr {
    PyValueError::new_err("I/O operation on closed file")
}

/// Returns `io.UnsupportedOperation`, as files do for what they are not.
pub(crate) fn unsupported(py: Python<'_>, what: &'static str) -> PyErr {
    match py.import("io").and_then(|io| io.getattr("UnsupportedOperation")).and_then(|kind| kind.call1((what,))) {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

/// Copies the bytes of an object that has some.
fn copy(data: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let py = data.py();
    if data.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("a bytes-like object is required, not 'str'"));
    }
    if let Ok(buffer) = PyBuffer::<u8>::get(data) {
        return buffer.to_vec(py);
    }
    // Of items that are no bytes.
    let view = PyMemoryView::from(data).map_err(|_| {
        let kind = data.get_type().name().map_or("object".into(), |name| name.to_string());
        PyTypeError::new_err(format!("a bytes-like object is required, not '{kind}'"))
    })?;
    PyBuffer::<u8>::get(&view.call_method1("cast", ("B",))?)?.to_vec(py)
}

#[pymethods]
impl Writer {
    /// Write bytes, and return how many: all of them.
    #[pyo3(signature = (data, /))]
    fn write(&self, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        self.check_open()?;
        let py = data.py();
        if let Ok(object) = data.cast_exact::<PyBytes>() {
            let bytes = object.as_bytes();
            if bytes.len() < LARGE {
                self.outlet.write(py, bytes)?;
            } else {
                self.outlet.lend(object)?;
            }
            return Ok(bytes.len());
        }
        let bytes = copy(data)?;
        let len = bytes.len();
        if len < LARGE {
            self.outlet.write(py, &bytes)?;
        } else {
            self.outlet.write_owned(py, bytes.into())?;
        }
        Ok(len)
    }

    /// Begin an asynchronous write. `_poll_write` does it.
    fn _begin_write(&self, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        self.check_open()?;
        let bytes = match data.cast_exact::<PyBytes>() {
            Ok(object) if object.as_bytes().len() >= LARGE => self.outlet.lent.lend(object),
            _ => copy(data)?.into(),
        };
        let len = bytes.len();
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
        Ok(len)
    }

    /// Return True if all that was begun is written. If not, the wake-up comes when there is room.
    fn _poll_write(&self, py: Python<'_>, wakeup: &Wakeup) -> PyResult<bool> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        match self.outlet.poll(py, &mut rest, &mut Context::from_waker(wakeup.waker())) {
            Poll::Ready(result) => result.map(|()| true),
            Poll::Pending => Ok(false),
        }
    }

    /// End the chunk here. What was written can be pulled without it too.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.check_open()?;
        self.outlet.flush(py)
    }

    /// Close the file. Whether what was written is the whole is said by `finish`, or by the return of the program.
    fn close(&self, py: Python<'_>) {
        if !self.closed.swap(true, Ordering::Relaxed) {
            // A file that is closed after its reader is gone is closed all the same.
            let _ = self.outlet.flush(py);
        }
    }

    /// Say that all has been written: the reader sees a clean end.
    ///
    /// A writer that is dropped without it was cut off: its reader gets a TruncatedError.
    fn finish(&self) {
        self.outlet.end(Ok(()));
    }

    /// Say that what has been written is not the whole: the reader gets `error` after it.
    #[pyo3(signature = (error, /))]
    fn abort(&self, error: Bound<'_, PyAny>) {
        let py = error.py();
        self.outlet.end(Err(error::no_end(py, PyErr::from_value(error))));
    }

    /// Whether what is written reaches no reader.
    #[getter]
    fn disconnected(&self) -> bool {
        self.outlet.is_disconnected()
    }

    #[getter]
    fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    #[getter]
    fn mode(&self) -> &'static str {
        "wb"
    }

    /// Return how many bytes have been written.
    fn tell(&self) -> PyResult<u64> {
        self.check_open()?;
        Ok(self.outlet.written())
    }

    fn readable(&self) -> PyResult<bool> {
        self.check_open().map(|()| false)
    }

    fn writable(&self) -> PyResult<bool> {
        self.check_open().map(|()| true)
    }

    fn seekable(&self) -> PyResult<bool> {
        self.check_open().map(|()| false)
    }

    fn isatty(&self) -> PyResult<bool> {
        self.check_open().map(|()| false)
    }

    #[pyo3(signature = (*_args))]
    fn seek(&self, py: Python<'_>, _args: &Bound<'_, PyAny>) -> PyResult<u64> {
        Err(unsupported(py, "seek"))
    }

    #[pyo3(signature = (*_args))]
    fn truncate(&self, py: Python<'_>, _args: &Bound<'_, PyAny>) -> PyResult<u64> {
        Err(unsupported(py, "truncate"))
    }

    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        Err(unsupported(py, "fileno"))
    }

    #[pyo3(signature = (*_args))]
    fn read(&self, py: Python<'_>, _args: &Bound<'_, PyAny>) -> PyResult<u64> {
        Err(unsupported(py, "read"))
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().check_open()?;
        Ok(slf)
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(&self, py: Python<'_>, _args: &Bound<'_, PyAny>) {
        self.close(py);
    }
}
