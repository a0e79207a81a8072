//! Web applications of both shapes, converted into each other and served over HTTP, FastCGI, SCGI and CGI.
//!
//! A [`PushApp`] is `runCGI(inp, out, err, env)`: it reads and writes streams. A [`PullApp`] is
//! `handle_http(env) -> (status, headers, iterable)`: it returns a head and an iterator of blocks.
//! [`AsPull`](struct@AsPull) and [`AsPush`] convert each into the other. [`service()`] makes either of them a
//! `tower::Service`, the pull interface of asynchronous servers.
//!
//! ```text
//!  Request ─┬─ head ──> Environ ─┐                       ┌─> head ────────────> Response
//!           └─ body ──> Input  ──┴─> PushApp or PullApp ─┴─> Writer, Chunks ──> its body
//! ```
//!
//! # Which to use
//!
//! | you have | and want it | use |
//! |---|---|---|
//! | an app that writes a CGI response | in hyper, on one thread | [`service()`] on [`Local`](pushpull::Local) |
//! | | in axum | [`service()`] on [`Pool`](pushpull::Pool) |
//! | | anywhere, and it blocks | [`service()`] on [`Thread`](pushpull::Thread) |
//! | | as a pull app | [`AsPull`](struct@AsPull) |
//! | an app that returns a response with an iterator | as a push app | [`AsPush`] |
//! | either of them | as a CGI program | [`host::cgi::run`] |
//! | an external CGI program | in hyper or axum | [`Script`] (feature `script`) |
//! | php-fpm, or another FastCGI application | in hyper or axum | [`Upstream`] (feature `upstream`) |
//! | a FastCGI program that is started here | in hyper or axum | [`Workers`] (feature `upstream`) |
//! | a directory of files and programs | in hyper or axum | [`Files`] (feature `files`) |
//! | several of them | on one server, each below a path | [`Mounts`] |
//! | any of them | served over HTTP, FastCGI or SCGI | [`host`] (feature `server`) |
//!
//! # Examples
//!
//! ```
//! use pushpull::Pool;
//! use pushpull_gateway::{push_fn, service};
//!
//! let hello = push_fn(|_inp, out, _err, env| {
//!     let path = env.get_str("PATH_INFO").unwrap_or_default();
//!     write!(out, "Content-Type: text/plain\n\nhello, {path}\n")
//! });
//! // For axum or hyper. The program runs on a coroutine, and ends if the client disconnects.
//! let service = service(Pool::global().clone(), hello);
//! # let _ = service;
//! ```
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `script` | [`Script`]: an external CGI program as a service |
//! | `upstream` | [`Upstream`]: a FastCGI application, such as php-fpm, as a service; [`Workers`]: its processes |
//! | `files` | [`Files`]: the files of a directory as a service, beside its programs |
//! | `server` | [`host`]: servers for HTTP/1.1, HTTP/2, FastCGI and SCGI |
//! | `tls` | HTTPS for the HTTP server |
//!
//! None is on by default. `script`, `upstream` and `files` work on Unix, `server` and `tls` on Windows too.
//!
#![cfg_attr(all(feature = "script", unix), doc = "[`Script`]: crate::Script")]
#![cfg_attr(not(all(feature = "script", unix)), doc = "[`Script`]: #features")]
#![cfg_attr(all(feature = "upstream", unix), doc = "[`Upstream`]: crate::Upstream")]
#![cfg_attr(not(all(feature = "upstream", unix)), doc = "[`Upstream`]: #features")]
#![cfg_attr(all(feature = "upstream", unix), doc = "[`Workers`]: crate::Workers")]
#![cfg_attr(not(all(feature = "upstream", unix)), doc = "[`Workers`]: #features")]
#![cfg_attr(all(feature = "files", unix), doc = "[`Files`]: crate::Files")]
#![cfg_attr(not(all(feature = "files", unix)), doc = "[`Files`]: #features")]
#![cfg_attr(docsrs, feature(doc_cfg))]

// A request passes through the files in this order:
//
//   cgi/request.rs                 from its head: Environ
//   app/input.rs                   from its body: Input
//   app/output.rs, cgi/head.rs     what the app writes, and the head in it
//   service/answer.rs              from the head and the chunks after it: the response

mod address;
mod app;
#[cfg(feature = "script")]
mod bounds;
mod cgi;
#[cfg(all(feature = "script", unix))]
mod external;
pub mod fastcgi;
#[cfg(all(feature = "files", unix))]
pub mod files;
pub mod host;
#[cfg(all(feature = "script", unix))]
pub mod script;
#[cfg(all(feature = "script", not(unix)))]
#[path = "script/absent.rs"]
pub mod script;
pub mod service;
#[cfg(all(feature = "script", unix))]
mod site;
mod sys;
#[cfg(all(feature = "upstream", unix))]
pub mod upstream;
#[cfg(all(feature = "upstream", unix))]
pub mod workers;

pub use app::{App, AsPull, AsPush, Input, Pull, PullApp, PullFn, Push, PushApp, PushFn, pull_fn, push_fn};
pub use cgi::{
    Authenticated, BadMount, Connection, Environ, ErrorStream, Fed, HeadError, HeadParser, InvalidVariable,
    LocalRedirect, MAX_HEAD, Mount, Refusal, ResponseHead,
};
#[cfg(all(feature = "script", unix))]
pub use external::{BodyPolicy, ExitStatus, ProgramLimits};
#[cfg(all(feature = "files", unix))]
pub use files::Files;
pub use mounts::Mounts;
pub use redirect::{LocalRedirects, LocalRedirectsLayer};
#[cfg(feature = "script")]
pub use script::Script;
pub use service::body::Body;
pub use service::{Service, service};
#[cfg(all(feature = "script", unix))]
pub use site::{BadPathSet, PathSet, Site};
#[cfg(all(feature = "upstream", unix))]
pub use upstream::Upstream;
#[cfg(all(feature = "upstream", unix))]
pub use workers::{RunningWorkers, Workers};

/// Several services on one server. Start with [`Mounts`].
pub mod mounts {
    pub use crate::service::mounts::{Mounts, ResponseFuture};
}

/// Local redirects: responses that name another path on this server (RFC 3875, 6.2.2). Start with [`LocalRedirects`], a
/// service around a service, or with [`LocalRedirectsLayer`] in a stack of layers.
pub mod redirect {
    pub use crate::service::redirect::{LocalRedirects, LocalRedirectsLayer, ResponseFuture};
}

/// The response body that is not `Send`, of a [`service()`] on [`Local`](pushpull::Local).
pub mod local {
    pub use crate::service::body::LocalBody as Body;
}
