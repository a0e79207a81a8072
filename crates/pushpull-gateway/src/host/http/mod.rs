//! An HTTP server (HTTP/1.1, and HTTP/2 with prior knowledge) for services of one thread or many (feature `server`).
//!
//! One single-threaded runtime per core, one socket that all of them listen to. Whichever thread accepts a connection gives
//! it to the one that has the fewest. There it stays, and so do the services behind it: they need not be `Send`, and apps
//! on [`Local`](pushpull::Local) run inside the server's own polls.
//!
//! `OPTIONS *` is answered by the server itself. A target with a fragment (`/a#b`) is 400 over HTTP/1; on HTTP/2 the library
//! underneath drops the fragment before it can be seen here.
//!
//! ```text
//!                  connection.rs ── hyper ──> exchange.rs ──> your service
//!                  (one task each)            (one request and its answer: response_body.rs)
//!                   │ socket.rs    reads and writes; sees the client go, sees it stall
//!                   │ heads.rs     where in its requests the client is (HTTP/1)
//!                   │ traffic.rs   what is under way, and since when nothing has been
//!                   │ streams.rs   the tasks of HTTP/2
//!                   └ ending.rs    how the connection is closed, so that the client gets all, or sees that it did not
//! ```

mod connection;
mod ending;
mod exchange;
mod heads;
mod response_body;
mod socket;
mod streams;
mod traffic;

pub use super::{AccessRecord, ClientLimits, End, RequestBody, Shutdown};
pub use connection::Http;

/// An HTTP server. Over TCP, a response that is cut and has no length ends with a reset for a client of HTTP/1.0; a Unix
/// socket has none, so let a proxy on one speak HTTP/1.1.
pub type Server = super::Server<Http>;
