//! The ends of bridges that run on the calling thread.
//!
//! The engine [`Local`](crate::Local) creates them. Start with these three types:
//!
//! * [`Chunks`], from [`Local::pull`](crate::Local::pull): the reading end of a program that writes;
//! * [`Feed`], from [`Local::push`](crate::Local::push): the writing end of a program that reads;
//! * [`Filter`], from [`Local::filter`](crate::Local::filter): a program that reads and writes, not yet joined to
//!   anything.
//!
//! The types have the same names as those at the crate root, which the other engines use. The types here are not
//! `Send`: a program stays on the thread that started it. Values on the program's stack, such as an `Rc`, may belong to
//! that thread, and no bound on the closure can rule that out.
//!
//! ```compile_fail,E0277
//! let chunks = pushpull::Local::new().pull(|_| Ok(()));
//! std::thread::spawn(move || chunks.count()); // `Rc<…>` cannot be sent between threads safely
//! ```
//!
//! ```text
//!  program ── Writer ──> exchange ──> Chunks ── Iterator, Reader, drive_into ──> host      pull
//!  program <── Reader ── exchange <── Feed <── io::Write ─────────────────────── host      push
//!  program <── Reader, Writer ── exchange ── Steps ── give, step ─────────────── host      filter
//! ```

mod bridge;
mod chunks;
mod exchange;
mod feed;
mod filter;
mod head;
mod reader;
mod scoped;
mod steps;
mod writer;

pub use chunks::Chunks;
pub use feed::Feed;
pub use filter::Filter;
pub use head::Head;
pub use reader::Reader;
pub use scoped::Scoped;
pub use steps::{Step, Steps};
pub use writer::Writer;

#[cfg(feature = "http")]
pub use crate::adapt::body::LocalBody as Body;
#[cfg(feature = "stream")]
pub use crate::adapt::chunk_stream::LocalChunkStream as ChunkStream;
#[cfg(feature = "http")]
pub use crate::adapt::send_body::SendBody;

pub(crate) use bridge::{pull, push};
pub(crate) use scoped::pull_scoped;
