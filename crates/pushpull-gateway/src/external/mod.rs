//! External programs, whether they are started as scripts or reached by FastCGI: their limits, request bodies and
//! responses.
//!
//! Start with `External`, `Output` and `ProgramLimits`. A request passes through the files in this order:
//!
//! ```text
//! service.rs          External: from a request to a program and its response
//! body_policy.rs      BodyPolicy: whether the body is spooled or streamed
//! spool.rs            spools a body (blocking.rs: work that blocks)
//! programs.rs         counts and limits the running programs
//! output.rs           Output: splits the program's output into head and body (exit_status.rs: when it failed)
//! clock.rs            the time limits (limits.rs: ProgramLimits, turn.rs: the turns of several streams)
//! stop.rs             why a program is stopped
//! relay.rs            from the task that watches the program to the response
//! response.rs         the response (response_future.rs: its future)
//! ```

pub(super) mod blocking;
pub(super) mod body_policy;
pub(super) mod clock;
mod exit_status;
mod limits;
pub(super) mod output;
pub(super) mod programs;
pub(super) mod relay;
pub(super) mod response;
mod response_future;
pub(super) mod service;
mod spool;
pub(super) mod stop;
pub(super) mod turn;

pub use body_policy::BodyPolicy;
pub use exit_status::ExitStatus;
pub use limits::ProgramLimits;
pub use response_future::ResponseFuture;
