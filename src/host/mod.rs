//! Hosts that run applications of the [`gateway`](crate::gateway): each speaks one protocol.

pub mod cgi;
#[cfg(feature = "cli")]
mod health;
#[cfg(feature = "cli")]
pub mod http;

#[cfg(feature = "cli")]
pub use health::{Checking, Health};
