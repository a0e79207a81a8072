//! The bounded channel and its ends. [`pipe()`] makes them bare; the engines `Thread` and `Pool` make them around a
//! program.
//!
//! ```text
//!  Writer ── Sender ──> open segment, or ring ─┐
//!                 └───> queue ─────────────────┴─ Channel ──> Chunks ──> Iterator, Reader, Stream, Body
//! ```
//!
//! The order of the bytes, the positions of both sides and the memory orderings are at the head of `shared/mod.rs`.

mod ahead;
mod chunks;
mod feed;
mod pipe;
#[cfg(any(feature = "http", feature = "stream"))]
mod polled;
mod reader;
mod recycler;
mod ring;
mod segment;
mod sender;
mod shared;
mod state;
mod waits;
mod writer;

pub use chunks::Chunks;
pub use feed::Feed;
pub use pipe::{Pipe, pipe};
pub use reader::Reader;
pub use waits::{Blocked, Closed, Head};
pub use writer::Writer;

pub(crate) use feed::Verdict;
pub(crate) use shared::{Channel, Taken};

use std::io;
use std::sync::Arc;

use crate::options::Options;

/// A program to run once. An engine runs it, or reports to its host why it cannot run.
///
/// The program differs from a boxed `FnOnce` in one point: the box is freed while the program runs. A waiting program's
/// closure exists only on its stack. Until the launch it does not own its channel, so that an end that is dropped before
/// sees that no other side has the channel.
pub(crate) trait Unstarted: Send {
    /// Starts the program elsewhere, without waiting for it.
    ///
    /// # Errors
    ///
    /// Returns the system's error if there is no thread, or an error if the pool was shut down. The program is then
    /// dropped.
    fn launch(self: Box<Self>, channel: Arc<Channel>) -> io::Result<()>;

    /// Runs the program here. The engine has entered the program's channel.
    fn run(self: Box<Self>, channel: Arc<Channel>, ready: io::Result<()>);

    fn options(&self) -> &Options;
}
