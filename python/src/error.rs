//! Errors, from one side of a bridge to the other.

use std::io;

use pyo3::create_exception;
use pyo3::exceptions::{
    PyBaseException, PyBrokenPipeError, PyOSError, PyRuntimeError, PyStopAsyncIteration, PyStopIteration,
    PyTimeoutError,
};
use pyo3::prelude::*;

create_exception!(
    pushpull,
    TruncatedError,
    PyOSError,
    "What arrived is a beginning and not the whole: the writing side went without finishing."
);
create_exception!(
    pushpull,
    StallTimeoutError,
    PyTimeoutError,
    "The reading side has pulled nothing for as long as `stall_timeout` allows."
);
create_exception!(
    pushpull,
    Stopped,
    PyBaseException,
    "Ends a program that ignored 64 errors of a bridge whose other side is gone.\n\nIt is no `Exception`, so that `except Exception` does not catch it."
);

/// `EPIPE`, which makes an `OSError` a `BrokenPipeError` for code that checks its number.
const EPIPE: i32 = 32;

/// Wraps an exception object, which crosses the bridge as it is, with its traceback.
pub(crate) fn to_io(error: PyErr) -> io::Error {
    io::Error::other(error)
}

/// Returns the exception of an error that a bridge gave.
pub(crate) fn to_py(py: Python<'_>, error: io::Error) -> PyErr {
    if let Some(own) = error.get_ref().and_then(|inner| inner.downcast_ref::<PyErr>()) {
        return own.clone_ref(py);
    }
    match pushpull::Error::of(&error) {
        Some(own) if own.is_truncated() => TruncatedError::new_err("the writing side went without finishing"),
        _ if error.kind() == io::ErrorKind::BrokenPipe => broken_pipe(),
        _ => error.into(),
    }
}

/// Returns the exception of a call whose other side is gone.
pub(crate) fn broken_pipe() -> PyErr {
    PyBrokenPipeError::new_err((EPIPE, "the other side of the bridge is gone"))
}

/// Returns the exception that a reader may be given: one that means "the end" becomes a `RuntimeError`, as in PEP 479.
pub(crate) fn no_end(py: Python<'_>, error: PyErr) -> PyErr {
    if error.is_instance_of::<PyStopIteration>(py) || error.is_instance_of::<PyStopAsyncIteration>(py) {
        let message = format!(
            "the program raised {}",
            error.get_type(py).name().map_or("an end".into(), |name| name.to_string())
        );
        let raised = PyRuntimeError::new_err(message);
        raised.set_cause(py, Some(error));
        return raised;
    }
    error
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("StallTimeoutError", py.get_type::<StallTimeoutError>())?;
    module.add("Stopped", py.get_type::<Stopped>())?;
    module.add("TruncatedError", py.get_type::<TruncatedError>())
}
