//! An SCGI server, for front servers such as nginx, Apache and lighttpd (feature `server`).
//!
//! ```no_run
//! use pushpull::Local;
//! use pushpull_gateway::{push_fn, service};
//! use pushpull_gateway::host::{Shutdown, scgi};
//!
//! let shutdown = Shutdown::on_signals()?;
//! let server = scgi::Server::bind("127.0.0.1:4000")?;
//! server.run(
//!     || service(Local::new(), push_fn(|_inp, out, _err, _env| write!(out, "Content-Type: text/plain\n\nhello\n"))),
//!     &shutdown,
//! )?;
//! # std::io::Result::Ok(())
//! ```
//!
//! Start with these three types:
//!
//! * [`Server`]: the server, with its settings;
//! * [`ClientLimits`](super::ClientLimits): how long clients may take, and how many there may be;
//! * [`Shutdown`](super::Shutdown): the signal to stop.
//!
//! The guarantees are those of [`host::fastcgi`](super::fastcgi), and the same parameters pass. The differences are:
//!
//! * A connection has one request. The close marks the end of the response. If a response fails after its head, the
//!   connection is reset instead, over TCP and on a Unix socket, after every byte that was written.
//! * SCGI cannot send lines to the front server's log. What an application writes to its error stream is only in the
//!   server's [error log](super::Server::error_log).
//! * Invalid SCGI is answered with 400. Parameters of more than 64 KiB are answered with 431.

mod connection;
mod head;
mod server;

pub use server::{Scgi, Server};
