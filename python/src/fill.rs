//! Bytes into a buffer of Python's.
#![allow(unsafe_code, reason = "PyO3 gives the memory of a buffer only as a pointer")]

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;

/// Copies as many of `bytes` into `buffer`, from its item `at` on, as there is room for. Returns how many.
pub(crate) fn fill(_py: Python<'_>, buffer: &PyBuffer<u8>, at: usize, bytes: &[u8]) -> PyResult<usize> {
    let memory = buffer
        .as_slice_ptr()
        .filter(|memory| !buffer.readonly() && at <= memory.len())
        .ok_or_else(|| PyBufferError::new_err("a contiguous buffer that can be written to is required"))?;
    let len = bytes.len().min(memory.len() - at);
    // SAFETY: `at` and the `len` items after it lie within the buffer.
    let to = unsafe { memory.cast::<u8>().add(at) };
    // SAFETY: the buffer is held, may be written to, and has `len` items from `to` on. The bytes are a bridge's own, or the memory
    // of a `bytes` object, which is no writable buffer: they do not overlap. The interpreter lock is held (`_py`), and nothing of
    // Python runs meanwhile.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), len) };
    Ok(len)
}
