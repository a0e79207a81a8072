//! External CGI programs, started once for each request.
//!
//! Start with these three types:
//!
//! * [`Script`]: the program, its arguments and its environment, as a `tower::Service`;
//! * [`ProgramLimits`](crate::ProgramLimits): how long programs may run, and how many at a time;
//! * [`BodyPolicy`](crate::BodyPolicy): whether a program starts before the whole request has arrived.

// A request passes through the files in this order, then through those of `../external`:
//
//   service.rs    Script: the service (settings.rs: its settings, program.rs: finds the program's file)
//   running.rs    starts the program, and the task that watches it
//   process.rs    Process: the program's process and its group
//   inherited.rs  what the process must not inherit
//   watch.rs      the task that watches the program until it has ended
//   pumps.rs      Pumps: moves the body, the output and the messages at the same time
//   upload.rs     the body, to the program's standard input
//   streams.rs    the program's standard output and standard error

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
#[cfg(feature = "upstream")]
pub(crate) use process::{Ended, Process};
#[cfg(feature = "upstream")]
pub(crate) use program::{resolve, why};
pub use service::Script;
#[cfg(feature = "upstream")]
pub(crate) use settings::Settings;
#[cfg(feature = "upstream")]
pub(crate) use streams::{MAX_ERRORS, Stream};
