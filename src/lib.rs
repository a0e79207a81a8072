//! Bridges between code that writes and code that reads.
//!
//! *Push* code is handed a sink and calls `write()`: every encoder, every template engine, every CGI program. *Pull* code
//! asks for the next block: iterators, [`Read`](std::io::Read), streams, HTTP bodies, asynchronous servers. This crate
//! joins the two, unchanged, in both directions.
//!
//! ```text
//!  your push code ── io::Write ──> Writer ──> [ bounded queue ] ──> Chunks ──> Iterator, Read, Stream, Body ──> pull host
//!                     (gathers small writes)  Local has none: the write
//!                                             suspends, next() resumes
//!  pull host's chunks ──> Feed, Filter ──> Reader ── io::Read ──> your pull code
//!  pull app ──> Chunks ──> drive ── vectored writes ──> push host
//! ```
//!
//! *The engine says where your code runs; the verb says what you get to do.*
//!
//! | | you have code that | and want to |
//! |---|---|---|
//! | `pull` | writes | pull what it writes |
//! | `push` | reads | push what it reads |
//! | `filter` | reads and writes | do either |
//! | [`drive`] | is an iterator of chunks | write it into a sink |
//! | [`pipe`] | has two ends of its own | join them |
//!
//! | engine | the program runs | cost of a chunk | its ends are | a program that blocks |
//! |---|---|---|---|---|
//! | [`Local`] | on a coroutine of the thread that pulls | a few nanoseconds | `!Send`, in [`local`] | blocks the thread that pulls |
//! | [`Pool`] | on a coroutine of a few worker threads, ahead of the puller | a queue's | `Send` | blocks its worker's others |
//! | [`Thread`] | on a thread of its own, ahead of the puller | a queue's | `Send` | blocks nobody |
//!
//! ```
//! use std::io::Write;
//! use pushpull::Local;
//!
//! // Any code that writes, here an encoder of somebody else's:
//! let chunks = Local::new().pull(|w| {
//!     let mut gzip = flate2::write::GzEncoder::new(w, flate2::Compression::default());
//!     for n in 0..1000 {
//!         writeln!(gzip, "line {n}")?;
//!     }
//!     gzip.finish().map(drop)
//! });
//! // is now an iterator:
//! for chunk in chunks {
//!     println!("{} bytes", chunk?.len());
//! }
//! # std::io::Result::Ok(())
//! ```
//!
//! # What holds on every engine
//!
//! * The chunks, joined, are exactly the accepted writes, in order; no chunk is empty.
//! * A clean end means that the program returned `Ok`. A returned error, a panic, a writer that vanished: everything
//!   written before it arrives, then one `Err`, then `None`.
//! * The bytes in flight never exceed the capacity.
//! * Nothing runs before the first pull. When the puller goes, the program stops.
//! * A panic in a program is an error at the other end, with its payload.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod adapt;
mod budget;
mod buf;
mod channel;
mod drive;
mod ended;
mod engine;
mod error;
pub mod local;
mod options;
mod runtime;
mod stats;
mod sync;
mod sys;

#[cfg(feature = "stream")]
pub use adapt::async_writer::AsyncWriter;
#[cfg(feature = "http")]
pub use adapt::body::Body;
#[cfg(feature = "stream")]
pub use adapt::chunk_stream::ChunkStream;
#[cfg(feature = "stream")]
pub use adapt::drive::drive_futures;
#[cfg(feature = "tokio")]
pub use adapt::drive::drive_tokio;
pub use budget::Budget;
pub use channel::{Blocked, Chunks, Closed, Feed, Head, Reader, Writer, pipe};
pub use drive::drive;
pub use ended::{Ended, Outcome};
pub use engine::{BridgeWriter, Engine, Filter, Local, Pool, Shutdown, ShutdownOutcome, Thread};
pub use error::Error;
pub use runtime::wait::wait;
pub use stats::Stats;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/engines.md")]
struct Readme;
