//! Hosts that run applications of the [gateway](crate), one for each protocol.
//!
//! | the client | speaks | use |
//! |---|---|---|
//! | a browser or a proxy | HTTP | [`http`] |
//! | nginx, Apache, lighttpd, HAProxy | FastCGI | [`fastcgi`] |
//! | nginx, Apache, lighttpd | SCGI | [`scgi`] |
//! | a server that starts a program for each request | CGI | [`cgi`] |
//!
//! Start with these three types (feature `server`), or with [`cgi::run`]:
//!
//! * [`Server`]: serves the first three protocols, with the same limits, log and shutdown;
//! * [`ClientLimits`]: how long clients may take, and how many there may be;
//! * [`Shutdown`]: the signal to stop.
#![cfg_attr(
    not(feature = "server"),
    allow(rustdoc::broken_intra_doc_links, reason = "the linked items need the feature `server`")
)]

// A connection walks through the files of the server in this order:
//
//   server.rs         starts one thread per core, each with a runtime
//   address.rs        TCP port or Unix socket
//   listener.rs       accepts connections
//   share.rs          hands each connection to the thread with the fewest
//   proxied.rs        takes the header of a proxy: proxies.rs says of which, proxy_protocol.rs parses it
//   protocol.rs       http/, fastcgi/ or scgi/; one task for each connection
//   stream.rs         the socket, counted by stats.rs; stall.rs detects a client that does not read
//   responder/        what FastCGI and SCGI share
//   request_body.rs   the body as the service reads it
//   health.rs         answers health checks, then your service answers the rest
//   access_record.rs  one line of the log for each request
//
// limits.rs and shutdown.rs hold the settings and the signal to stop that all of these share.

#[cfg(feature = "server")]
mod access_record;
#[cfg(feature = "server")]
mod address;
pub mod cgi;
#[cfg(feature = "server")]
pub mod fastcgi;
#[cfg(feature = "server")]
pub mod health;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
mod limits;
#[cfg(feature = "server")]
mod listener;
#[cfg(feature = "server")]
mod protocol;
#[cfg(feature = "server")]
mod proxied;
#[cfg(feature = "server")]
mod proxies;
#[cfg(feature = "server")]
mod proxy_protocol;
#[cfg(feature = "server")]
mod request_body;
#[cfg(feature = "server")]
mod responder;
#[cfg(feature = "server")]
pub mod scgi;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod share;
#[cfg(feature = "server")]
pub(crate) mod shutdown;
#[cfg(feature = "server")]
mod stall;
#[cfg(feature = "server")]
mod stats;
#[cfg(feature = "server")]
mod stream;

#[cfg(feature = "server")]
pub use access_record::{AccessRecord, CutReason, End};
#[cfg(feature = "server")]
pub use address::Listener;
#[cfg(feature = "server")]
pub use health::{Health, HealthLayer};
#[cfg(feature = "server")]
pub use limits::ClientLimits;
#[cfg(feature = "server")]
pub use protocol::{Fronted, Protocol};
#[cfg(feature = "server")]
pub use proxies::{BadNetwork, ProxyFields, TrustedProxies};
#[cfg(feature = "server")]
pub use request_body::RequestBody;
#[cfg(feature = "server")]
pub use server::{MAX_THREADS, Server};
#[cfg(feature = "server")]
pub use shutdown::Shutdown;
#[cfg(feature = "server")]
pub use stats::ServerStats;

pub use crate::address::{Address, BadAddress};
