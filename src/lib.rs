//! Bridges between code that writes and code that reads.
//!
//! *Push* code is handed a sink and calls `write()`: encoders, template engines, CGI programs. *Pull* code asks for the
//! next block: iterators, [`Read`](std::io::Read), streams, HTTP bodies, asynchronous servers. This crate joins the
//! two, unchanged, in both directions.
//!
//! ```text
//!  push code ── write() ──> Writer ──> [queue] ──> Chunks ──> Iterator, Read, Stream, Body
//!  pull code <── read() ─── Reader <── [queue] <── Feed, Filter <── chunks of a pull host
//!  pull app ──> Chunks ──> drive ── vectored writes ──> push host
//!
//!  [queue]: at most `capacity` bytes. Local has none: write() suspends, next() resumes.
//! ```
//!
//! *The engine says where your code runs; the verb says what you get to do.*
//!
//! | verb | you have | you want to |
//! |---|---|---|
//! | `pull` | code that writes | pull what the code writes |
//! | `push` | code that reads | push what the code reads |
//! | `filter` | code that reads and writes | do either, or both |
//! | [`drive`](fn@drive) | an iterator of chunks | write the chunks into a sink |
//! | [`pipe`] | a writer and a reader of your own | join them |
//! | [`wait`] | a future, inside a program | suspend only that program |
//!
//! # Which engine for what
//!
//! | | [`Local`] | [`Pool`] | [`Thread`] |
//! |---|---|---|---|
//! | use it for | iterators and parsers; downloads in actix, or in hyper on one thread | downloads in axum and other servers that ask for `Send`; many slow clients; bridges inside bridges | code that blocks on files, locks or sockets; work for another core |
//! | the program runs | on a coroutine of the thread that pulls | on a coroutine of a few worker threads, ahead of the reader | on a thread of its own, ahead of the reader |
//! | the ends are | `!Send`, in the module [`local`] | `Send` | `Send` |
//! | in between | one chunk | up to `capacity` bytes | up to `capacity` bytes |
//! | a chunk costs | a few nanoseconds | a queue's push and pop, or a wake-up | a queue's push and pop, or a thread's wake-up |
//! | a program that blocks | blocks the thread that pulls | blocks the other programs of its worker | blocks nothing else |
//!
//! [`pipe`] needs no engine: it joins two threads or tasks that exist already.
//!
//! # Examples
//!
//! ```
//! use std::io::Write;
//! use pushpull::Local;
//!
//! // Code that writes, here an encoder of another crate, becomes an iterator:
//! let chunks = Local::new().pull(|w| {
//!     let mut gzip = flate2::write::GzEncoder::new(w, flate2::Compression::default());
//!     for n in 0..1000 {
//!         writeln!(gzip, "line {n}")?;
//!     }
//!     gzip.finish().map(drop)
//! });
//! for chunk in chunks {
//!     println!("{} bytes", chunk?.len());
//! }
//! # std::io::Result::Ok(())
//! ```
//!
//! # What holds on every engine
//!
//! * The chunks, joined, are exactly the accepted writes, in order. No chunk is empty.
//! * A clean end means that the program returned `Ok`. After a returned error, a panic or a dropped writer, the reader
//!   receives everything written before it, then one `Err`, then `None`.
//! * The bytes in flight never exceed the capacity.
//! * Nothing runs before the first pull. If the reader is dropped, the program stops.
//! * A panic in a program is an error at the other end, with its payload.
//!
//! # Features
//!
//! | feature | adds | depends on |
//! |---|---|---|
//! | `stacker` (default) | crates that ask `stacker` how much stack is left (pest, serde_stacker, sqlparser) get the right answer on a coroutine; on Linux | `stacker`, and a C compiler to build |
//! | `stream` | `futures_core::Stream` for both kinds of `Chunks`, streams into a `Feed` or through a `Filter`, the traits of `futures_io` | `futures-core`, `futures-io` |
//! | `tokio` | `AsyncRead`, `AsyncBufRead` and `AsyncWrite` of `tokio::io` for readers and writers | `tokio` (its traits only), feature `stream` |
//! | `http` | `into_body()`: an `http_body::Body` for both kinds of `Chunks`; bodies into a `Feed` or through a `Filter` | `http-body` |
//! | `axum` | axum's `IntoResponse` for `Chunks` and `Body` | `axum-core`, `http`, feature `http` |
//! | `tracing` | a span for each bridge | `tracing` |
//!
//! # When it does not compile
//!
//! | the compiler says | because | so |
//! |---|---|---|
//! | `IntoResponse` is not implemented for `pushpull::Chunks`; there is no method `into_body` or `into_stream` | a feature is missing | `cargo add pushpull --features axum`, or another feature of the table above |
//! | `IntoResponse` is not implemented for `local::Chunks`; `local::Chunks` cannot be sent between threads | the server asks for `Send`, which [`Local`] does not have | use [`Pool`] or [`Thread`]; where each core has a runtime of its own, `into_body().into_send()` |
//! | `Rc` cannot be sent between threads, required by `Pool::pull` | the program captures the value, and runs on another thread | create the value inside the program, use an `Arc`, or use [`Local`] |
//! | expected `Result<(), Error>`, found `()` | a program returns `io::Result<()>` | end it with `Ok(())` |
//! | expected `io::Error`, found another error | the same | end it with `Ok(expression?)` |
//! | closure may outlive the current function | the program borrows | write `move`, or use [`Local::pull_scoped`] |
//!
//! # Glossary
//!
//! | word | meaning |
//! |---|---|
//! | bridge | a program, the channel that it writes to or reads from, and both ends of that channel |
//! | program | the closure that you pass to an engine's `pull`, `push` or `filter` |
//! | engine | the place where programs run: [`Local`], [`Thread`] or [`Pool`] |
//! | chunk | one block of bytes, handed over as [`Bytes`](bytes::Bytes); small writes are gathered into one |
//! | writer end, writer | the end that bytes are written to: a [`Writer`] or a [`Feed`], and the code that uses it |
//! | reader end, reader | the end that bytes are taken from: a [`Reader`] or a [`Chunks`], and the code that uses it |
//! | head | the first chunk of a bridge, or its end if there is none; of an HTTP response, the header block |
//! | capacity | the maximum number of bytes that are written and not yet pulled (default: 256 KiB) |
//! | backpressure | a writer waits while the bridge is at its capacity |
//! | suspended | a program on a coroutine waits, and the thread under it runs something else |
//! | blocked | a thread waits |
//! | closed | the reader end is dropped, or the program has ended: a write returns `BrokenPipe` |
//! | truncated | the writer end was dropped before it finished: the reader receives an error, not an end |
#![cfg_attr(docsrs, feature(doc_cfg))]

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

// Last, so that the pages of the documentation show it after the methods that need no feature.
mod adapt;

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
pub use channel::{Blocked, Chunks, Closed, Feed, Head, Pipe, Reader, Writer, pipe};
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
