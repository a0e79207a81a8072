//! The ends of a bridge on the calling thread, as the engine [`Local`](crate::Local) makes them.
//!
//! They have the names of the crate root's, and are not `Send`: the program stays on the thread that made it. What lies
//! on its stack may belong to that thread, such as an `Rc`, and no bound on the closure would say so.
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

pub(crate) use bridge::{pull, push};
pub(crate) use scoped::pull_scoped;
