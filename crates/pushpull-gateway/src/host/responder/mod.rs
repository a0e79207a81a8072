//! What FastCGI and SCGI share: a front server sends parameters and a body, and receives a CGI response.
//!
//! Start from [`serve`] and [`Link`], which each protocol implements, and from [`Exchange`], which answers one request.
//! A request walks through the files in this order:
//!
//! ```text
//!  protocol.rs: makes a type a protocol of the server
//!  connection.rs: moves the bytes of a connection, watch.rs: keeps its time limits
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
