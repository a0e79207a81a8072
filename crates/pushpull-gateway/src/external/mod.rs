//! What all programs outside this process have in common, however they are spoken to: their limits, the bodies of their
//! requests, and the way of their responses.
//!
//! ```text
//!  request ── service.rs ──────────┬──> the program
//!     body ── body_policy.rs ──────┘      │            (spool.rs: whole first, or as it comes)
//!                                         │ clock.rs, limits.rs, programs.rs, stop.rs: how long, how many, and what then
//!  response <── response.rs <── relay.rs <── output.rs
//! ```

pub(super) mod blocking;
pub(super) mod body_policy;
pub(super) mod clock;
pub(crate) mod descriptors;
mod exit_status;
mod limits;
pub(super) mod output;
pub(super) mod programs;
pub(super) mod relay;
pub(super) mod response;
mod response_future;
pub(super) mod service;
pub(crate) mod spool;
pub(super) mod stop;
pub(super) mod turn;

pub use body_policy::BodyPolicy;
pub use exit_status::ExitStatus;
pub use limits::ProgramLimits;
pub use response_future::ResponseFuture;
