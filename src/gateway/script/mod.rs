//! External CGI programs.
//!
//! ```text
//!  request ── running.rs ──> program ── process.rs        (spool.rs: its body first, or upload.rs: as it comes)
//!                 │             │ stdout, stderr: streams.rs
//!                 │          watch.rs, pumps.rs            a task that is there until the program is gone
//!                 │             │ head, body: output.rs
//!  response <─ response.rs <─ relay.rs
//! ```

mod clock;
mod limits;
mod output;
mod process;
mod program;
mod programs;
mod pumps;
mod relay;
mod response;
mod running;
mod service;
mod settings;
mod spool;
mod stop;
mod streams;
mod upload;
mod watch;

pub use limits::Limits;
pub use running::Running;
pub use service::Script;
pub use settings::{ExitStatus, RequestBody};

pub(super) use programs::Permit;
#[cfg(feature = "cli")]
pub(crate) use spool::unnamed;
