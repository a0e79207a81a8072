//! Hosts that run applications of the [gateway](crate): each speaks one protocol.
//!
//! | who asks | speaks | use |
//! |---|---|---|
//! | clients, or a proxy | HTTP | `http` |
//! | nginx, Apache, lighttpd, HAProxy | FastCGI | `fastcgi` |
//! | nginx, Apache, lighttpd | SCGI | `scgi` |
//! | a server that starts a program for each request | CGI | [`cgi`] |
//!
//! The first three are one `Server` (feature `server`), with the same limits, log and shutdown:
//!
//! ```text
//!  address.rs ──> listener.rs ──> protocol.rs: http/, fastcgi/, scgi/ ──> your service
//!  (TCP, Unix)    (accepts)       (one task for each connection)
//!                  share.rs: to the thread with the fewest
//!                                 responder/: what FastCGI and SCGI have in common
//! ```

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
mod shutdown;
#[cfg(feature = "server")]
mod stall;
#[cfg(feature = "server")]
mod stream;

#[cfg(feature = "server")]
pub use access_record::{AccessRecord, End};
#[cfg(feature = "server")]
pub use address::Listener;
#[cfg(feature = "server")]
pub use health::{Health, HealthLayer};
#[cfg(feature = "server")]
pub use limits::ClientLimits;
#[cfg(feature = "server")]
pub use protocol::{Fronted, Protocol};
#[cfg(feature = "server")]
pub use request_body::RequestBody;
#[cfg(feature = "server")]
pub use server::Server;
#[cfg(feature = "server")]
pub use shutdown::Shutdown;

pub use crate::address::{Address, BadAddress};
