//! FastCGI applications whose processes are started here, as `spawn-fcgi` and `mod_fcgid` start them.
//!
//! Start with these three types:
//!
//! * [`Workers`]: the program, its arguments and its environment, and how many processes run it;
//! * [`RunningWorkers`]: the processes, until they are stopped;
//! * [`Upstream`](crate::Upstream): the application, as a `tower::Service`.

// The files, in the order in which a worker meets them:
//
//   settings.rs    Workers: the settings
//   socket.rs      the listening socket that all workers inherit, in a directory of its own
//   running.rs     RunningWorkers, and the thread that has started the workers
//   worker.rs      Worker: one process, and what it writes
//   slot.rs        Slot: starts a worker again when it has ended (backoff.rs: when)
//   turnover.rs    counts the requests, and replaces the workers after a number of them
//   refusing.rs    refuses requests while no worker runs

mod backoff;
mod refusing;
mod running;
mod settings;
mod slot;
mod socket;
pub(crate) mod turnover;
mod worker;

pub use running::RunningWorkers;
pub use settings::Workers;
