//! Helpers that the tests of all packages share: deadlines, optional programs, servers and their logs, leak checks.

pub mod alone;
pub mod counted;
pub mod dice;
pub mod example;
pub mod guard;
#[cfg(feature = "http2")]
pub mod http2;
pub mod log;
pub mod needed;
pub mod program;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod sandbox;
#[cfg(feature = "tls")]
pub mod tls;
pub mod watchdog;
pub mod wire;
