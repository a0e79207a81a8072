//! A FastCGI responder (FastCGI 1.0), for front servers such as nginx, Apache, lighttpd and HAProxy (feature `server`).
//!
//! ```no_run
//! use pushpull::Local;
//! use pushpull_gateway::{push_fn, service};
//! use pushpull_gateway::host::{Listener, Shutdown, fastcgi};
//!
//! let shutdown = Shutdown::on_signals()?;
//! let server = fastcgi::Server::new(Listener::unix("/run/hello.sock")?)?;
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
//! # Guarantees
//!
//! * Front servers determine an application's variables, so only harmless parameters pass. These are the names of RFC
//!   3875, `REQUEST_URI`, `REQUEST_SCHEME`, `REMOTE_PORT`, `HTTPS`, and the fields (`HTTP_*`) that do not belong to the front server's own
//!   connection. [`Server::accept_param`] passes others. The front server never determines which application answers.
//! * Values are bytes and are passed on unchanged. A `Uri` holds them percent-encoded. A value that no header field can
//!   hold is only in the [`Environ`](crate::Environ).
//! * If neither `SCRIPT_NAME` nor `PATH_INFO` is sent, the path is that of `REQUEST_URI`, decoded and checked as over
//!   HTTP. The server itself answers `OPTIONS *`.
//! * Requests are answered while their bodies arrive. If 64 KiB of a body are unread, the connection is not read. If
//!   the connection has other requests, the body is written to a temporary file instead, up to 64 MiB; beyond that the
//!   request ends with `OVERLOADED`.
//! * If the front server sends `ABORT_REQUEST` or closes the connection (even half of it), the service's future or body
//!   is dropped.
//! * If a response fails after its head, the connection is reset without `END_REQUEST`, after every byte that was
//!   written. Several front servers ignore the status in `END_REQUEST`, and nginx takes a close without `END_REQUEST`
//!   for the end.
//! * If the connection has other requests, such a response ends with `END_REQUEST`, `OVERLOADED` and an application
//!   status of 1 instead.
//! * If the server process is killed, the system resets its connections too.
//! * Lines that an application writes to its error stream are logged to the server's [error
//!   log](crate::host::Server::error_log), and sent to the front server as `STDERR`.
//!
//! # Caveats
//!
//! * The front server processes local redirects (`Location: /path` without a status), because it knows where the path
//!   leads.
//! * Only responders are supported: requests for other roles end with `UNKNOWN_ROLE`.

mod active;
mod connection;
mod server;

pub use server::{FastCgi, Server};
