//! Hosts that run applications of the [`gateway`](crate::gateway): each speaks one protocol.

pub mod cgi;
#[cfg(feature = "cli")]
pub mod http;
