//! `bytes` objects that cross a bridge by reference.
#![allow(unsafe_code, reason = "PyO3 gives the memory of an object only for as long as the interpreter lock is held")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// From this size on a `bytes` object crosses by reference; a smaller one is copied.
pub(crate) const LARGE: usize = 16 * 1024;

/// The memory of a `bytes` object.
struct Memory {
    /// Keeps the memory.
    _object: Py<PyBytes>,
    start: *const u8,
    len: usize,
}

// SAFETY: the memory of a `bytes` object never changes and never moves, and the object is held. A reference that is dropped
// without the interpreter lock is given back by PyO3 under the next one.
unsafe impl Send for Memory {}
// SAFETY: as for `Send`.
unsafe impl Sync for Memory {}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `start` and `len` are those of the object, which is held; its memory never changes.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

/// The objects that are on their way through a bridge, in order: its reader is given the very object that was written.
#[derive(Clone, Default)]
pub(crate) struct Lent(Arc<Mutex<VecDeque<Py<PyBytes>>>>);

impl Lent {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Py<PyBytes>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an object, and returns its memory for the bridge.
    pub(crate) fn lend(&self, object: &Bound<'_, PyBytes>) -> Bytes {
        let bytes = object.as_bytes();
        let memory = Memory { start: bytes.as_ptr(), len: bytes.len(), _object: object.clone().unbind() };
        self.lock().push_back(object.clone().unbind());
        Bytes::from_owner(memory)
    }

    /// Forgets the objects: nothing more will be taken.
    pub(crate) fn clear(&self) {
        let objects = std::mem::take(&mut *self.lock());
        drop(objects);
    }

    /// Returns a chunk as Python has it: the object that was written if the chunk is all of it, else a copy.
    pub(crate) fn take<'py>(&self, py: Python<'py>, chunk: &Bytes) -> Bound<'py, PyBytes> {
        match self.pass(py, chunk) {
            Some(object) if object.as_bytes().len() == chunk.len() => object,
            _ => PyBytes::new(py, chunk),
        }
    }

    /// Notes that a chunk has arrived. Returns the object that it ends, if there is one. Objects before that one were given up on
    /// their way.
    pub(crate) fn pass<'py>(&self, py: Python<'py>, chunk: &Bytes) -> Option<Bound<'py, PyBytes>> {
        let end = chunk.as_ptr_range().end;
        let mut lent = self.lock();
        let at = lent.iter().position(|object| object.bind(py).as_bytes().as_ptr_range().end == end)?;
        let passed: Vec<_> = lent.drain(..=at).collect();
        drop(lent);
        passed.into_iter().next_back().map(|object| object.into_bound(py))
    }
}
