//! A host for WSGI applications: the servers of the gateway crate, and applications on threads of Python's.
//!
//! ```text
//!  request ──> service.rs ── job.rs ──> workers.rs: a thread of Python's ──> the application
//!     body ──> upload.rs ── a bridge ──────────────────────────────────────> wsgi.input
//!  response <── service.rs, body.rs <── head.rs, a bridge <───────────────── start_response, write
//! ```
//!
//! The threads of the server never take the interpreter lock: an application that computes does not delay another's bytes.
//! The application is called by Python code, with no frame of Rust below it: see [`exit`](crate::exit).

mod body;
mod head;
mod host;
mod job;
mod log;
mod options;
mod service;
mod upload;
mod workers;

use pyo3::prelude::*;

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<host::Host>()?;
    module.add_class::<host::Listening>()?;
    module.add_class::<job::Job>()?;
    module.add_class::<upload::Begin>()
}
