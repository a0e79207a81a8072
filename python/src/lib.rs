//! The compiled half of the Python package `pushpull`: the ends of a bridge as Python objects.
//!
//! Two rules keep the interpreter whole. A wait happens without the interpreter lock and comes back by [`exit`]. A waker
//! never takes the interpreter lock, so that it may run under any other lock.

mod chunks;
mod error;
mod exit;
mod fill;
mod lent;
mod outlet;
mod park;
mod pipe;
mod reader;
#[cfg(target_os = "linux")]
mod serve;
mod source;
mod wakeups;
mod writer;

use pyo3::prelude::*;

#[pymodule(gil_used = true)]
fn _pushpull(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<chunks::Chunks>()?;
    module.add_class::<reader::Reader>()?;
    module.add_class::<wakeups::Wakeup>()?;
    module.add_class::<wakeups::Wakeups>()?;
    module.add_class::<writer::Writer>()?;
    module.add_function(wrap_pyfunction!(exit::leave, module)?)?;
    module.add_function(wrap_pyfunction!(exit::before_fork, module)?)?;
    module.add_function(wrap_pyfunction!(exit::after_fork_in_parent, module)?)?;
    module.add_function(wrap_pyfunction!(exit::after_fork_in_child, module)?)?;
    module.add_function(wrap_pyfunction!(pipe::pipe, module)?)?;
    #[cfg(target_os = "linux")]
    serve::add_to(module)?;
    error::add_to(module)
}
