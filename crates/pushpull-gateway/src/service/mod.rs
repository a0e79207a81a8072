//! Applications as a `tower::Service`, the pull interface of the asynchronous world.
//!
//! ```text
//!  request ──> on_engine.rs ──> the application, on an engine
//!                                 │ head, then chunks
//!  response <── answer.rs ────────┴──> body.rs        (delayed.rs: an error waits until all before it is sent)
//!
//!  redirect.rs: a service around a service, which answers local redirects
//!  report.rs:   what the log is told
//! ```

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod delayed;
pub(crate) mod on_engine;
pub(crate) mod redirect;
pub(crate) mod report;

pub use answer::ResponseFuture;
pub use on_engine::{Service, service};
