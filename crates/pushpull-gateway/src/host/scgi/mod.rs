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
//! It sees to the same as [`host::fastcgi`](super::fastcgi), one request to a connection, with the same parameters passing.
//! What differs:
//!
//! * The close is the end of a response. One that fails after its head ends with a reset instead, over TCP and on a Unix
//!   socket, after every byte that was written.
//! * There is no way to the front server's log: what an application says to its error stream goes to the server's
//!   [error log](super::Server::error_log) alone.
//! * What is no SCGI is answered with 400, and parameters of more than 64 KiB with 431.

mod connection;
mod head;
mod server;

pub use server::{Scgi, Server};
