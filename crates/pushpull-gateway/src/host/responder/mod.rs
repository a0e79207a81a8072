//! What FastCGI and SCGI have in common: a front server sends parameters and a body, and is sent a CGI response.
//!
//! ```text
//!  connection.rs: its bytes, both ways, until it is closed; which requests they are is the protocol's affair
//!
//!  parameters ── params.rs ──> http::Request, Environ ──┐
//!        body ── arriving.rs ─────> RequestBody ────────┴─> your service ── exchange.rs ──> head, body, end or error
//!                                                                └─ messages.rs ──> lines for the front server's log
//! ```

mod arriving;
mod connection;
mod exchange;
mod messages;
mod params;
mod protocol;
mod watch;

pub(super) use arriving::{Arrived, Arriving, Taken, arriving};
pub(super) use connection::{Link, MAX_QUEUED, Outcome, PIECE, Wire, serve};
pub(super) use exchange::{Exchange, Piece};
pub(super) use messages::Messages;
pub(super) use params::{Accept, Params};
pub(super) use protocol::front_protocol;
