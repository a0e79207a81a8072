//! What the systems do differently, one concern a file. Each file offers the same names on every system.
//!
//! 1. `ended`: the end of a child process.
//! 2. `ignored`: the signals that this process ignores, and those that another catches.
//! 3. `descriptors`: the limit of open files.
//! 4. `files`: temporary files, and reads and writes at an offset.
//! 5. `sockets`: Unix sockets where there are any, and what a TCP socket tells about its other end.
//! 6. `signals`: the signals that stop a server.
//! 7. `environment`: the environment and the standard input of this process.

#[cfg_attr(not(unix), path = "no_descriptors.rs")]
#[cfg(feature = "script")]
pub(crate) mod descriptors;
#[cfg(all(feature = "script", unix))]
pub(crate) mod ended;
pub(crate) mod environment;
#[cfg(feature = "script")]
pub(crate) mod files;
#[cfg(all(feature = "script", unix))]
pub(crate) mod ignored;
#[cfg(feature = "server")]
pub(crate) mod signals;
#[cfg(feature = "server")]
pub(crate) mod sockets;
