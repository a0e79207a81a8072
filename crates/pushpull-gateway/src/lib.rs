//! Web applications of both shapes, published, converted and served.
//!
//! A [`PushApp`] is `runCGI(inp, out, err, env)`: it is handed streams and writes a CGI response. A [`PullApp`] is
//! `handle_http(env) -> (status, headers, iterable)`: it is asked for block after block. Each becomes the other
//! ([`AsPull`](struct@AsPull), [`AsPush`]), and both become a `tower::Service` ([`service()`]), which is the pull interface of the
//! asynchronous world.
//!
//! ```text
//!  Request ── request.rs ──> Environ ──┐
//!     body ── input.rs ────> Input ────┴─> PushApp / PullApp ── output.rs, head.rs ──> head ┐
//!                                                            └─ Writer, Chunks ──> body ────┴─ answer.rs ──> Response
//! ```
//!
//! # Which to use
//!
//! | you have | and want it | use |
//! |---|---|---|
//! | code that writes a CGI response | in hyper, on one thread | [`service()`] on [`Local`](pushpull::Local) |
//! | | in axum | [`service()`] on [`Pool`](pushpull::Pool) |
//! | | anywhere, and it blocks | [`service()`] on [`Thread`](pushpull::Thread) |
//! | | asked for block after block | [`AsPull`](struct@AsPull) |
//! | code that gives a response and an iterator | as a push app | [`AsPush`] |
//! | either of them | to be a CGI program | [`host::cgi::run`] |
//! | an external CGI program | in hyper or axum | `Script` (feature `script`) |
//! | php-fpm, or another FastCGI application | in hyper or axum | `Upstream` (feature `upstream`) |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod answer;
mod app;
mod body;
#[cfg(feature = "script")]
mod bounds;
mod convert;
mod data;
mod delayed;
mod environ;
mod error_stream;
#[cfg(all(feature = "script", target_os = "linux"))]
mod external;
pub mod fastcgi;
mod head;
pub mod host;
mod input;
mod kind;
mod output;
mod path;
pub mod redirect;
mod refusal;
mod report;
mod request;
mod response;
#[cfg(all(feature = "script", target_os = "linux"))]
pub mod script;
pub mod service;
#[cfg(all(feature = "upstream", target_os = "linux"))]
pub mod upstream;
#[cfg(feature = "script")]
pub(crate) mod waker;

pub use app::{PullApp, PullFn, PushApp, PushFn, pull_fn, push_fn};
pub use body::Body;
pub use convert::{AsPull, AsPush};
pub use environ::{Environ, InvalidVariable};
pub use error_stream::ErrorStream;
#[cfg(all(feature = "script", target_os = "linux"))]
pub use external::{BodyPolicy, ProgramLimits};
pub use head::{Fed, HeadError, HeadParser, MAX_HEAD, ResponseHead};
pub use input::Input;
pub use kind::{App, Pull, Push};
pub use path::{BadMount, Mount};
pub use redirect::{LocalRedirects, LocalRedirectsLayer};
pub use refusal::Refusal;
pub use request::{Authenticated, Connection};
pub use response::LocalRedirect;
#[cfg(all(feature = "script", target_os = "linux"))]
pub use script::{ExitStatus, Script};
pub use service::{Service, service};
#[cfg(all(feature = "upstream", target_os = "linux"))]
pub use upstream::Upstream;

pub(crate) use answer::MAX_DRAINED;
pub(crate) use convert::open;
#[cfg(feature = "server")]
pub(crate) use error_stream::escape;
#[cfg(all(feature = "server", target_os = "linux"))]
pub(crate) use external::{descriptors, unnamed};
#[cfg(feature = "server")]
pub(crate) use head::set_no_length;
pub(crate) use head::{content_length, has_no_body};
#[cfg(feature = "server")]
pub(crate) use path::check;
#[cfg(feature = "server")]
pub(crate) use refusal::is_out_of_descriptors;
pub(crate) use request::complete;
#[cfg(feature = "server")]
pub(crate) use request::{ClientWatched, SOFTWARE, WITHHELD, check_host, of_meta_variables, uri, version};
#[cfg(all(feature = "server", target_os = "linux"))]
pub(crate) use script::ignored;

/// The bodies of responses that stay on their thread.
pub mod local {
    pub use super::body::LocalBody as Body;
}
