//! Hosts that run applications of the [`gateway`](crate::gateway): each speaks one protocol.
//!
//! | who asks | speaks | use |
//! |---|---|---|
//! | clients, or a proxy | HTTP | `http` |
//! | nginx, Apache, lighttpd, HAProxy | FastCGI | `fastcgi` |
//! | nginx, Apache, lighttpd | SCGI | `scgi` |
//! | a server that starts a program for each request | CGI | [`cgi`] |
//!
//! The first three are one `Server` (feature `cli`), with the same limits, log and shutdown:
//!
//! ```text
//!  address.rs ──> listener.rs ──> protocol.rs: http/, fastcgi/, scgi/ ──> your service
//!  (TCP, Unix)    (accepts)       (one task for each connection)
//!                  share.rs: to the thread with the fewest
//!                                 responder/: what FastCGI and SCGI have in common
//! ```

#[cfg(feature = "cli")]
mod address;
pub mod cgi;
#[cfg(feature = "cli")]
pub mod fastcgi;
#[cfg(feature = "cli")]
mod health;
#[cfg(feature = "cli")]
pub mod http;
#[cfg(feature = "cli")]
mod limits;
#[cfg(feature = "cli")]
mod listener;
#[cfg(feature = "cli")]
mod protocol;
#[cfg(feature = "cli")]
mod record;
#[cfg(feature = "cli")]
mod request_body;
#[cfg(feature = "cli")]
mod responder;
#[cfg(feature = "cli")]
pub mod scgi;
#[cfg(feature = "cli")]
mod server;
#[cfg(feature = "cli")]
mod share;
#[cfg(feature = "cli")]
mod shutdown;
#[cfg(feature = "cli")]
mod stall;
#[cfg(feature = "cli")]
mod stream;

#[cfg(feature = "cli")]
pub use address::Listener;
#[cfg(feature = "cli")]
pub use health::{Checking, Health};
#[cfg(feature = "cli")]
pub use limits::Limits;
#[cfg(feature = "cli")]
pub use protocol::{Fronted, Protocol};
#[cfg(feature = "cli")]
pub use record::{End, Record};
#[cfg(feature = "cli")]
pub use request_body::RequestBody;
#[cfg(feature = "cli")]
pub use server::Server;
#[cfg(feature = "cli")]
pub use shutdown::Shutdown;

pub use crate::address::{Address, BadAddress};
