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
//! # What it sees to
//!
//! * A front server decides what an application is told, so only harmless parameters pass: the names of RFC 3875,
//!   `REQUEST_URI`, `REMOTE_PORT`, and the fields (`HTTP_*`) that do not belong to its own connection. Others pass if they are
//!   [accepted](Server::accept_param). Which application answers is never its decision.
//! * Values are bytes, and are passed on as they are. A `Uri` holds them percent-encoded, and a value that no field can hold is
//!   in the [`Environ`](crate::Environ) alone. If neither `SCRIPT_NAME` nor `PATH_INFO` is sent, the path is that of
//!   `REQUEST_URI`, decoded and checked as over HTTP. `OPTIONS *` is answered by the server itself.
//! * Requests are answered while their bodies come. A body that nobody reads holds up the connection once 64 KiB of it wait;
//!   if there are other requests on it, the body goes to a temporary file instead, up to 64 MiB, and then the request ends as
//!   `OVERLOADED`.
//! * `ABORT_REQUEST`, or a connection that closes (also by half), drops the service's future or body.
//! * A response that fails after its head has no `END_REQUEST`: the connection is reset instead, after every byte that was
//!   written. Several front servers do not look at the status in an `END_REQUEST`, and nginx takes a close without one for the
//!   end. With other requests on the connection it is an `END_REQUEST` as `OVERLOADED`, with an application status of 1.
//! * When this process is killed, the system's close of its connections is a reset too.
//! * What an application says to its error stream goes to the server's [error log](crate::host::Server::error_log) and, as
//!   `STDERR`, to the front server.
//!
//! # Caveats
//!
//! * A local redirect (`Location: /path` without a status) is left to the front server, which is where the path leads.
//! * Responders only: the other roles are told that they are not known (`UNKNOWN_ROLE`).

mod active;
mod connection;
mod server;

pub use server::{FastCgi, Server};
