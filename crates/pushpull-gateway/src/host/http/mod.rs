//! An HTTP server (HTTP/1.1 and HTTP/2, also over TLS) for services of one thread or many (feature `server`).
//!
//! Start with these three types:
//!
//! * [`Server`]: the server, with its settings;
//! * [`ClientLimits`]: how long clients may take, and how many there may be;
//! * [`Shutdown`]: the signal to stop.
//!
//! The server runs one single-threaded runtime per core; all of them listen on one socket. The thread
//! that accepts a connection hands it to the thread with the fewest connections. The connection and its services stay
//! on that thread. Therefore services need not be `Send`, and apps on [`Local`](pushpull::Local) run inside the
//! server's own polls.
//!
//! A router of axum is such a service. Its handlers can answer from programs on `Local`, without a wake-up of another
//! thread:
//!
//! ```no_run
//! use std::io::Write;
//!
//! use axum::{Router, body::Body, routing::get};
//! use pushpull::Local;
//! use pushpull_gateway::host::http::{Server, Shutdown};
//!
//! async fn hello() -> Body {
//!     Body::new(Local::new().pull(|w| w.write_all(b"hello")).into_body().into_send())
//! }
//!
//! let app = Router::new().route("/", get(hello));
//! Server::bind("127.0.0.1:8080")?.run(|| app.clone(), &Shutdown::on_signals()?)?;
//! # std::io::Result::Ok(())
//! ```
//!
//! The server itself answers `OPTIONS *`. A target with a fragment (`/a#b`) is answered with 400 over HTTP/1; over
//! HTTP/2 the underlying library drops the fragment unseen.

// A connection walks through the files in this order:
//
//   connection.rs ── hyper ──> exchange.rs ──> your service
//   (one task each)            (one request and its response: response_body.rs)
//    │ transport.rs reads and writes for hyper: the socket, or TLS on it, with the certificate of tls.rs
//    │ socket.rs    reads and writes the stream; detects a client that stalls
//    │ lent.rs      parts of files that the system sends
//    │ heads.rs     follows where each request's head begins and ends (HTTP/1)
//    │ traffic.rs   counts running requests and keeps the times
//    │ streams.rs   the tasks of HTTP/2
//    │ forwarded.rs takes the client's address from the fields of a trusted proxy
//    └ ending.rs    closes the connection, so that the client receives everything or can see that it did not

mod connection;
mod ending;
mod exchange;
mod forwarded;
mod heads;
mod lent;
mod response_body;
mod socket;
mod streams;
#[cfg(feature = "tls")]
mod tls;
mod traffic;
mod transport;

pub use super::{AccessRecord, ClientLimits, CutReason, End, RequestBody, Shutdown};
pub use connection::Http;
#[cfg(feature = "tls")]
pub use tls::{Certificate, Tls, Validity};

/// An HTTP server. If a response without a length is cut, an HTTP/1.0 client over TCP sees a reset. A Unix socket has
/// no reset, so a proxy that connects over one should use HTTP/1.1.
pub type Server = super::Server<Http>;
