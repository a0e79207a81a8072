//! The bounded channel and its ends. [`pipe`] makes them bare; the engines `Thread` and `Pool` make them around a
//! program.
//!
//! ```text
//!  Writer ── Sender ──> open segment, or ring ─┐
//!                 └───> queue ─────────────────┴─ Channel ──> Chunks ──> Iterator, Reader, Stream, Body
//! ```

mod ahead;
mod blocked;
mod chunks;
mod closed;
mod feed;
mod head;
mod piece;
mod pipe;
#[cfg(any(feature = "http", feature = "stream"))]
mod polled;
mod queue;
mod reader;
mod recycler;
mod ring;
mod row;
mod segment;
mod sender;
mod shared;
mod stall;
mod state;
mod unstarted;
mod writer;
#[cfg(any(feature = "http", feature = "stream"))]
mod yielding;

pub use blocked::Blocked;
pub use chunks::Chunks;
pub use closed::Closed;
pub use feed::Feed;
pub use head::Head;
pub use pipe::Pipe;
pub use reader::Reader;
pub use writer::{Writer, pipe};

pub(crate) use feed::Verdict;
pub(crate) use shared::{Channel, Taken};
pub(crate) use unstarted::Unstarted;
