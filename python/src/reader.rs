//! The pulled bytes as a file.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};

use bytes::{Buf, Bytes};
use pyo3::PyTraverseError;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyBaseException, PyRuntimeError};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::chunks::Chunks;
use crate::fill::fill;
use crate::outlet::{MAX_REFUSALS, stopped};
use crate::writer::{closed_file, unsupported};

/// The bytes of chunks, as a binary file to read from.
#[pyclass(module = "pushpull", weakref, frozen)]
pub(crate) struct Reader {
    chunks: Py<Chunks>,
    /// What has been pulled and not been read.
    current: Mutex<Bytes>,
    closed: AtomicBool,
    /// It failed with this: it never turns into an end. Frames of its traceback may refer to this file.
    failed: Mutex<Option<Py<PyBaseException>>>,
    failures: AtomicU32,
}

impl Reader {
    fn current(&self) -> PyResult<MutexGuard<'_, Bytes>> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(closed_file());
        }
        self.current.try_lock().map_err(|_| PyRuntimeError::new_err("another thread is reading from this file"))
    }

    /// Makes sure that there is at least a byte, unless it is the end.
    fn fill(&self, py: Python<'_>, current: &mut Bytes) -> PyResult<()> {
        if !current.is_empty() {
            return Ok(());
        }
        let failed = self.failed.lock().ok().and_then(|failed| failed.as_ref().map(|error| error.clone_ref(py)));
        if let Some(error) = failed {
            if self.failures.fetch_add(1, Ordering::Relaxed) >= MAX_REFUSALS {
                return Err(stopped());
            }
            return Err(PyErr::from_value(error.into_bound(py).into_any()));
        }
        let source = self.chunks.get().source();
        match source.next(py) {
            Ok(Some(next)) => {
                source.lent.pass(py, &next);
                *current = next;
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => {
                // A signal's handler has interrupted the wait, or another thread pulls: the bridge is as it was.
                if !source.has_failed() {
                    return Err(error);
                }
                if let Ok(mut failed) = self.failed.lock() {
                    *failed = Some(error.value(py).clone().unbind());
                }
                Err(error)
            }
        }
    }

    /// Reads at most `want` bytes, until `enough` says that what was added is the last.
    fn gather<'py>(
        &self,
        py: Python<'py>,
        want: usize,
        enough: impl Fn(&Bytes, usize) -> (usize, bool),
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut current = self.current()?;
        let mut parts = Vec::new();
        let mut len = 0;
        while len < want {
            if let Err(error) = self.fill(py, &mut current) {
                // Bytes that came before an error come before it: they are there to be read again.
                put_back(&mut current, parts);
                return Err(error);
            }
            if current.is_empty() {
                break;
            }
            let (part, last) = enough(&current, want - len);
            parts.push(current.split_to(part));
            len += part;
            if last {
                break;
            }
        }
        if let [part] = &parts[..] {
            return Ok(PyBytes::new(py, part));
        }
        PyBytes::new_with(py, len, |into| {
            let mut rest = into;
            for part in &parts {
                let (first, others) = rest.split_at_mut(part.len());
                first.copy_from_slice(part);
                rest = others;
            }
            Ok(())
        })
    }
}

fn put_back(current: &mut Bytes, parts: Vec<Bytes>) {
    if !parts.is_empty() {
        let mut all = parts.concat();
        all.extend_from_slice(current);
        *current = all.into();
    }
}

/// The size that a file's methods take: None and negative numbers are all.
fn wanted(size: Option<isize>) -> usize {
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX)
}

#[pymethods]
impl Reader {
    #[new]
    fn new(chunks: Py<Chunks>) -> Reader {
        Reader {
            chunks,
            current: Mutex::default(),
            closed: AtomicBool::new(false),
            failed: Mutex::default(),
            failures: AtomicU32::new(0),
        }
    }

    /// Read `size` bytes, fewer only at the end; without a size all.
    #[pyo3(signature = (size = None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.gather(py, wanted(size), |current, want| (current.len().min(want), false))
    }

    /// Read what one pull gives, at most `size` bytes. Empty is the end.
    #[pyo3(signature = (size = None, /))]
    fn read1<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.gather(py, wanted(size), |current, want| (current.len().min(want), true))
    }

    /// Read a line, with its end, at most `size` bytes.
    #[pyo3(signature = (size = None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.gather(py, wanted(size), |current, want| {
            let part = &current[..current.len().min(want)];
            match part.iter().position(|&byte| byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (part.len(), false),
            }
        })
    }

    /// Read lines, until they have `hint` bytes.
    #[pyo3(signature = (hint = None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<isize>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let enough = wanted(hint.filter(|&hint| hint > 0));
        let (mut lines, mut len) = (Vec::new(), 0);
        while len < enough {
            let line = self.readline(py, None)?;
            if line.as_bytes().is_empty() {
                break;
            }
            len += line.as_bytes().len();
            lines.push(line);
        }
        Ok(lines)
    }

    /// Read into a buffer until it is full or the end is reached, and return how many bytes.
    #[pyo3(signature = (into, /))]
    fn readinto(&self, into: &Bound<'_, PyAny>) -> PyResult<usize> {
        let (py, buffer) = (into.py(), PyBuffer::<u8>::get(into)?);
        let mut current = self.current()?;
        let mut done = 0;
        while done < buffer.item_count() {
            match self.read_part(py, &buffer, done, &mut current) {
                Ok(0) => break,
                Ok(len) => done += len,
                // Return what is in the buffer first; the next read returns the error again.
                Err(_) if done > 0 && self.chunks.get().source().has_failed() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Read into a buffer what one pull gives, and return how many bytes.
    #[pyo3(signature = (into, /))]
    fn readinto1(&self, into: &Bound<'_, PyAny>) -> PyResult<usize> {
        let (py, buffer) = (into.py(), PyBuffer::<u8>::get(into)?);
        let mut current = self.current()?;
        if buffer.item_count() == 0 {
            return Ok(0);
        }
        self.read_part(py, &buffer, 0, &mut current)
    }

    fn __iter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().readable()?;
        Ok(slf)
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.readline(py, None)?;
        Ok((!line.as_bytes().is_empty()).then_some(line))
    }

    /// Close the file and the chunks under it: the program stops at its next write.
    fn close(&self, py: Python<'_>) {
        self.closed.store(true, Ordering::Relaxed);
        self.chunks.get().source().close(py);
        // Nothing is read any more. A read on another thread drops what it holds itself.
        let rest = self.current.try_lock().map(|mut current| mem::take(&mut *current));
        self.__clear__();
        drop(rest);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.chunks)?;
        self.failed.try_lock().map_or(Ok(()), |failed| visit.call(&*failed))
    }

    fn __clear__(&self) {
        let failed = self.failed.lock().ok().and_then(|mut failed| failed.take());
        drop(failed);
    }

    #[getter]
    fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    #[getter]
    fn mode(&self) -> &'static str {
        "rb"
    }

    fn readable(&self) -> PyResult<bool> {
        if self.closed() { Err(closed_file()) } else { Ok(true) }
    }

    fn writable(&self) -> PyResult<bool> {
        self.readable().map(|_| false)
    }

    fn seekable(&self) -> PyResult<bool> {
        self.readable().map(|_| false)
    }

    fn isatty(&self) -> PyResult<bool> {
        self.readable().map(|_| false)
    }

    fn flush(&self) {}

    #[pyo3(signature = (*_args))]
    fn seek(&self, py: Python<'_>, _args: &Bound<'_, PyAny>) -> PyResult<u64> {
        Err(unsupported(py, "seek"))
    }

    fn tell(&self, py: Python<'_>) -> PyResult<u64> {
        Err(unsupported(py, "tell"))
    }

    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        Err(unsupported(py, "fileno"))
    }

    #[pyo3(signature = (*_args))]
    fn write(&self, py: Python<'_>, _args: &Bound<'_, PyAny>) -> PyResult<u64> {
        Err(unsupported(py, "write"))
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().readable()?;
        Ok(slf)
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(&self, py: Python<'_>, _args: &Bound<'_, PyAny>) {
        self.close(py);
    }
}

impl Reader {
    fn read_part(&self, py: Python<'_>, buffer: &PyBuffer<u8>, at: usize, current: &mut Bytes) -> PyResult<usize> {
        self.fill(py, current)?;
        let len = fill(py, buffer, at, current)?;
        current.advance(len);
        Ok(len)
    }
}
