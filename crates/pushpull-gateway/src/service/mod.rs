//! Applications as a `tower::Service`, the pull interface of asynchronous servers.
//!
//! Start with the function [`service()`] and these three types:
//!
//! * [`Service`]: an app on an engine;
//! * [`ResponseFuture`]: the response, which is ready when the app has written its head;
//! * [`Body`](crate::Body): the rest of the response, in chunks.

// A request passes through the files in this order:
//
//   mounts.rs     Mounts: a service that chooses a service by the path
//   redirect.rs   LocalRedirects: a service around a service, which follows local redirects
//   on_engine.rs  Service: runs the app on an engine
//   answer.rs     ResponseFuture: waits for the head, and for what follows it
//   body.rs       Body: the chunks after the head
//   delayed.rs    delays an error by one poll, until everything before it is sent
//   report.rs     reports failures to the error log

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod delayed;
pub(crate) mod mounts;
pub(crate) mod on_engine;
pub(crate) mod redirect;
pub(crate) mod report;

pub use answer::ResponseFuture;
pub use on_engine::{Service, service};
