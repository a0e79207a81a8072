//! FastCGI applications in other processes.
//!
//! ```text
//!  request ── asking.rs ──> conversation.rs ── sending.rs: BEGIN_REQUEST, PARAMS, STDIN ──> connection.rs ──> application
//!                 │            │   │                                                            │
//!              site.rs:        │   └── receiving.rs: STDOUT, STDERR, END_REQUEST <── idle.rs: kept for the next one
//!            which script      │
//!  response <───────── ../external/output.rs
//! ```

mod asking;
mod connection;
mod conversation;
mod idle;
mod receiving;
mod sending;
mod service;
mod settings;
mod site;

pub use crate::external::ResponseFuture;
pub use service::Upstream;
