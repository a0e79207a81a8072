//! External CGI programs.
//!
//! ```text
//!  request ── running.rs ──> program ── process.rs        (its body is its stdin, or upload.rs: as it comes)
//!                               │             inherited.rs   (what of this process it is not to have)
//!                               │ stdout, stderr: streams.rs
//!                            watch.rs, pumps.rs            a task that is there until the program is gone
//!                               │
//!  response <────────── ../external/output.rs
//! ```

pub(crate) mod inherited;
mod process;
mod program;
mod pumps;
mod running;
mod service;
mod settings;
mod streams;
mod upload;
mod watch;

pub use crate::external::ResponseFuture;
pub use service::Script;
