//! The end that is pulled: an iterator.

use std::task::Poll;

use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::source::Source;
use crate::wakeups::Wakeup;

/// What a program writes, as an iterator of bytes.
///
/// The program starts at the first pull. Close or drop the chunks to stop it: its next write raises BrokenPipeError.
#[pyclass(module = "pushpull", weakref, frozen)]
pub(crate) struct Chunks {
    source: Source,
}

impl Chunks {
    pub(crate) fn new(source: Source) -> Chunks {
        Chunks { source }
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }
}

#[pymethods]
impl Chunks {
    /// Set what starts the program, at the first pull, and what is called at the end.
    #[pyo3(signature = (start, on_end = None))]
    fn _set_program(&self, start: Py<PyAny>, on_end: Option<Py<PyAny>>) {
        self.source.set_program(start, on_end);
    }

    /// Start the program, if that is still to be done.
    fn _begin(&self, py: Python<'_>) -> PyResult<()> {
        self.source.begin(py)
    }

    /// Return the next chunk, or False at the end, or None if neither is there: then the wake-up comes.
    fn _poll<'py>(&self, py: Python<'py>, wakeup: &Wakeup) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.source.poll(py, wakeup.waker()) {
            Poll::Pending => Ok(None),
            Poll::Ready(Ok(Some(chunk))) => Ok(Some(self.source.lent.take(py, &chunk).into_any())),
            Poll::Ready(Ok(None)) => Ok(Some(false.into_pyobject(py)?.to_owned().into_any())),
            Poll::Ready(Err(error)) => Err(error),
        }
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        Ok(self.source.next(py)?.map(|chunk| self.source.lent.take(py, &chunk)))
    }

    /// Stop the program at its next write. Does not wait for it.
    fn close(&self, py: Python<'_>) {
        self.source.close(py);
    }

    /// Return how many bytes have been pulled, and in how many chunks.
    fn _stats(&self) -> (u64, u64) {
        self.source.stats()
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(&self, py: Python<'_>, _args: &Bound<'_, PyAny>) {
        self.source.close(py);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.source.traverse(&visit)
    }

    fn __clear__(&self) {
        self.source.clear();
    }
}
