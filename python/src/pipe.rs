//! The two ends of a bridge.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::chunks::Chunks;
use crate::lent::Lent;
use crate::outlet::Outlet;
use crate::source::Source;
use crate::writer::Writer;

/// Returns the two ends of a bridge that holds at most `capacity` bytes.
#[pyfunction]
#[pyo3(signature = (capacity = 262_144, chunk_size = 32_768, *, stall_timeout = None))]
pub(crate) fn pipe(capacity: isize, chunk_size: isize, stall_timeout: Option<f64>) -> PyResult<(Writer, Chunks)> {
    let capacity = size("capacity", capacity)?;
    let chunk_size = size("chunk_size", chunk_size)?;
    let stall_timeout = stall_timeout
        .map(|seconds| {
            let time = std::time::Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero());
            time.ok_or_else(|| PyValueError::new_err(format!("stall_timeout must be more than 0, not {seconds}")))
        })
        .transpose()?;
    let (writer, chunks) = pushpull::Pipe::new().capacity(capacity).chunk_size(chunk_size).open();
    let lent = Lent::default();
    Ok((Writer::new(Outlet::new(writer, lent.clone(), stall_timeout)), Chunks::new(Source::new(chunks, lent))))
}

fn size(name: &str, value: isize) -> PyResult<usize> {
    usize::try_from(value)
        .ok()
        .filter(|&size| size > 0)
        .ok_or_else(|| PyValueError::new_err(format!("{name} must be more than 0, not {value}")))
}
