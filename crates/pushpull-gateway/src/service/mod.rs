//! Applications as a `tower::Service`, the pull interface of asynchronous servers.
//!
//! Start with `Service`, `ResponseFuture` and `Body`. A request passes through the files in this order:
//!
//! ```text
//! redirect.rs   LocalRedirects: a service around a service, which follows local redirects
//! on_engine.rs  Service: runs the app on an engine
//! answer.rs     ResponseFuture: waits for the head, and for what follows it
//! body.rs       Body: the chunks after the head
//! delayed.rs    delays an error by one poll, until everything before it is sent
//! report.rs     reports failures to the error log
//! ```

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod delayed;
pub(crate) mod on_engine;
pub(crate) mod redirect;
pub(crate) mod report;

pub use answer::ResponseFuture;
pub use on_engine::{Service, service};
