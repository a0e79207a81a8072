//! The files of a directory, beside its programs.
//!
//! Start with these three types:
//!
//! * [`Site`](crate::Site): a directory, and the rules by which its paths are found;
//! * [`PathSet`](crate::PathSet): the paths that such a rule names;
//! * [`Files`]: the files of a site, as a `tower::Service`.

// What a path names is found by `../site`. A request passes through the files in this order:
//
//   service.rs   Files: the service (place.rs: the part of a request's path that is looked up)
//   send.rs      a file as a response (range.rs: the range of it that a client asks for)
//   form.rs      Forms: what is sent of which form, as tower-http decides
//   content.rs   Content: its bytes, read without blocking the thread, or sent by the system
//   listing.rs   reads a directory (page.rs: shows it as a page, with page.css)
//   reporter.rs  reports what prevents a file from being sent

pub(crate) mod content;
mod form;
mod listing;
mod page;
mod place;
mod range;
mod reporter;
mod send;
mod service;

pub use crate::external::ResponseFuture;
pub use service::{Files, NoPrograms};
