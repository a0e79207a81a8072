//! Static files.
//!
//! Start with `Files` and `Content`. What a path names is found by `../site`.
//!
//! ```text
//! service.rs   Files: the service
//! place.rs     Place: the part of a request's path that is looked up
//! send.rs      a file as a response (RFC 9110: validators, conditions, ranges, codings)
//! range.rs     the range of a file that a client asks for
//! content.rs   Content: reads a file without blocking the thread
//! reporter.rs  reports what prevents a file from being sent
//! listing.rs   reads a directory (page.rs: shows it as a page, with page.css)
//! ```

mod content;
mod listing;
mod page;
mod place;
mod range;
mod reporter;
mod send;
mod service;

pub use crate::external::ResponseFuture;
pub use service::{Files, NoPrograms};
