//! The records of FastCGI 1.0, in both directions. Nothing here does I/O.
//!
//! Start with these three types:
//!
//! * [`Decoder`]: makes records from bytes;
//! * [`Record`]: what a peer sent;
//! * [`Queue`]: makes bytes from records, and sends them.
//!
//! ```text
//!  bytes ── decoder.rs ──> Record ── pairs.rs ──> names and values
//!  bytes <── queue.rs, encode.rs ────────── pairs.rs <── names and values
//!              header.rs: the eight bytes in front of each record
//!              malformed.rs, unknown.rs: what can be wrong with bytes and numbers
//! ```
//!
//! ```
//! use bytes::BytesMut;
//! use pushpull_gateway::fastcgi::{Decoder, Record, Stream, abort, records};
//!
//! let mut sent = BytesMut::new();
//! for (header, content) in records(Stream::Stdout, 1, "hello".into()) {
//!     sent.extend_from_slice(&header);
//!     sent.extend_from_slice(&content);
//! }
//! sent.extend_from_slice(&abort(1));
//!
//! let mut decoder = Decoder::new();
//! let hello = Record::Stream { stream: Stream::Stdout, id: 1, content: "hello".into() };
//! assert_eq!(decoder.decode(&mut sent)?, Some(hello));
//! assert_eq!(decoder.decode(&mut sent)?, Some(Record::Abort { id: 1 }));
//! assert_eq!(decoder.decode(&mut sent)?, None);
//! # Ok::<(), pushpull_gateway::fastcgi::Malformed>(())
//! ```
//!
//! Section numbers in this module are those of the FastCGI Specification, version 1.0 (Open Market, 1996).

mod decoder;
mod encode;
mod header;
mod malformed;
mod pairs;
mod queue;
mod unknown;

pub use decoder::{Decoder, Record};
pub use encode::{Records, abort, begin_request, end_request, get_values, get_values_result, records, unknown_type};
pub use header::{Header, Kind, ProtocolStatus, Role, Stream};
pub use malformed::Malformed;
pub use pairs::{MAX_PARAMS, Pair, Pairs, put_pair};
pub use queue::Queue;
pub use unknown::UnknownNumber;

#[cfg(any(feature = "server", feature = "upstream"))]
pub(crate) use queue::MAX_SLICES;
