//! Web applications of both shapes, published, converted and served.
//!
//! A [`PushApp`] is `runCGI(inp, out, err, env)`: it is handed streams and writes a CGI response. A [`PullApp`] is
//! `handle_http(env) -> (status, headers, iterable)`: it is asked for block after block. Each becomes the other
//! ([`AsPull`](struct@AsPull), [`AsPush`]), and both become a `tower::Service` ([`service()`]), which is the pull interface of the
//! asynchronous world.
//!
//! ```text
//!  Request ── cgi/request.rs ──> Environ ──┐
//!     body ── app/input.rs ────> Input ────┴─> PushApp / PullApp ── app/output.rs, cgi/head.rs ──> head ┐
//!                                                    └─ Writer, Chunks ──> body ── service/answer.rs ───┴──> Response
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
mod app;
#[cfg(feature = "script")]
mod bounds;
mod cgi;
#[cfg(all(feature = "script", target_os = "linux"))]
mod external;
pub mod fastcgi;
pub mod host;
#[cfg(all(feature = "script", target_os = "linux"))]
pub mod script;
pub mod service;
#[cfg(all(feature = "upstream", target_os = "linux"))]
pub mod upstream;

pub use app::{App, AsPull, AsPush, Input, Pull, PullApp, PullFn, Push, PushApp, PushFn, pull_fn, push_fn};
pub use cgi::{
    Authenticated, BadMount, Connection, Environ, ErrorStream, Fed, HeadError, HeadParser, InvalidVariable,
    LocalRedirect, MAX_HEAD, Mount, Refusal, ResponseHead,
};
#[cfg(all(feature = "script", target_os = "linux"))]
pub use external::{BodyPolicy, ExitStatus, ProgramLimits};
pub use redirect::{LocalRedirects, LocalRedirectsLayer};
#[cfg(all(feature = "script", target_os = "linux"))]
pub use script::Script;
pub use service::body::Body;
pub use service::{Service, service};
#[cfg(all(feature = "upstream", target_os = "linux"))]
pub use upstream::Upstream;

/// Local redirects: a program's answer that is somewhere else on this server (RFC 3875, 6.2.2).
pub mod redirect {
    pub use crate::service::redirect::{LocalRedirects, LocalRedirectsLayer, ResponseFuture};
}

/// The bodies of responses that stay on their thread.
pub mod local {
    pub use crate::service::body::LocalBody as Body;
}
