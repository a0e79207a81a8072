//! The bounded channel and its ends, as [`pipe`] makes them bare and the engines `Thread` and `Pool` around a program.
//!
//! ```text
//!  Writer ── Sender ──> open segment, or ring ─┐
//!                 └───> queue ─────────────────┴─ Channel ──> Chunks ──> Iterator, Reader, Stream, Body
//! ```

mod ahead;
mod apart;
mod barrier;
mod blocked;
mod channel;
mod chunks;
mod feed;
mod filter;
mod head;
mod piece;
#[cfg(any(feature = "http", feature = "stream"))]
mod polled;
pub(crate) mod processor;
mod queue;
mod reader;
mod recycler;
mod ring;
mod row;
mod segment;
mod sender;
mod stall;
mod state;
mod stats;
mod writer;
#[cfg(any(feature = "http", feature = "stream"))]
mod yielding;

pub use blocked::Blocked;
pub use channel::Closed;
pub use chunks::Chunks;
pub use feed::Feed;
pub use filter::Filter;
pub use head::Head;
pub use reader::Reader;
pub use stats::Stats;
pub use writer::{Writer, pipe};

pub(crate) use apart::Apart;
pub(crate) use channel::{Channel, Taken};
pub(crate) use feed::Verdict;
