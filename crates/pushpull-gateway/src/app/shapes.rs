//! The traits of the two shapes of application.

use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use super::input::Input;
use crate::cgi::environ::Environ;

/// An application that reads and writes streams: `runCGI(inp, out, err, env)`.
///
/// `out` receives a CGI response: a header block, a blank line and the body (RFC 3875, section 6). `err` receives
/// messages for the server's log. [`push_fn`] makes an app from a closure.
///
/// All requests share the app, hence `&self`. [`Thread`](pushpull::Thread) and [`Pool`](pushpull::Pool) require it to
/// be `Send + Sync`; [`Local`](pushpull::Local) does not.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `PushApp`",
    note = "`push_fn` makes one from a closure `|inp, out, err, env|`"
)]
pub trait PushApp: 'static {
    /// Answers one request.
    ///
    /// # Errors
    ///
    /// If the app returns an error before its body begins, the request is answered with 500. A later error aborts the
    /// response. If the client disconnects, `inp` and `out` return errors; pass them on.
    fn run(&self, inp: &mut Input, out: &mut dyn Write, err: &mut dyn Write, env: &Environ) -> io::Result<()>;
}

/// An application that returns a response: `handle_http(env) -> (status, headers, iterable)`.
///
/// The meta-variables and the error log are an [`Environ`] in the request's extensions. [`pull_fn`] makes an app from a
/// closure.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `PullApp`",
    note = "`pull_fn` makes one from a closure `|request|`"
)]
pub trait PullApp: 'static {
    /// The blocks of the body. Each is pulled after its predecessor has been taken.
    type Output: Iterator<Item = io::Result<Bytes>> + 'static;

    /// Answers one request.
    ///
    /// # Errors
    ///
    /// If the app returns an error, or its first block is one, the request is answered with 500. A later error aborts
    /// the response.
    fn handle(&self, req: Request<Input>) -> io::Result<Response<Self::Output>>;
}

/// Creates a [`PushApp`] from a closure.
///
/// ```
/// use pushpull_gateway::push_fn;
///
/// let hello = push_fn(|_inp, out, _err, env| {
///     let name = env.get_str("QUERY_STRING").unwrap_or("world");
///     write!(out, "Content-Type: text/plain\r\n\r\nhello, {name}\n")
/// });
/// # let _ = hello;
/// ```
pub fn push_fn<F>(run: F) -> PushFn<F>
where
    F: Fn(&mut Input, &mut dyn Write, &mut dyn Write, &Environ) -> io::Result<()> + 'static,
{
    PushFn(run)
}

/// Creates a [`PullApp`] from a closure.
///
/// ```
/// use http::Response;
/// use pushpull_gateway::pull_fn;
///
/// let count = pull_fn(|_req| Ok(Response::new((0..3).map(|n| Ok(format!("{n}\n").into())))));
/// # let _ = count;
/// ```
pub fn pull_fn<F, O>(handle: F) -> PullFn<F>
where
    F: Fn(Request<Input>) -> io::Result<Response<O>> + 'static,
    O: Iterator<Item = io::Result<Bytes>> + 'static,
{
    PullFn(handle)
}

/// The app that [`push_fn`] creates.
#[derive(Clone, Copy)]
pub struct PushFn<F>(F);

/// The app that [`pull_fn`] creates.
#[derive(Clone, Copy)]
pub struct PullFn<F>(F);

impl<F> PushApp for PushFn<F>
where
    F: Fn(&mut Input, &mut dyn Write, &mut dyn Write, &Environ) -> io::Result<()> + 'static,
{
    fn run(&self, inp: &mut Input, out: &mut dyn Write, err: &mut dyn Write, env: &Environ) -> io::Result<()> {
        (self.0)(inp, out, err, env)
    }
}

impl<F, O> PullApp for PullFn<F>
where
    F: Fn(Request<Input>) -> io::Result<Response<O>> + 'static,
    O: Iterator<Item = io::Result<Bytes>> + 'static,
{
    type Output = O;

    fn handle(&self, req: Request<Input>) -> io::Result<Response<O>> {
        (self.0)(req)
    }
}

/// Implements both traits for pointers to apps.
macro_rules! shared_apps {
    ($($pointer:ident),*) => {$(
        impl<A: PushApp + ?Sized> PushApp for $pointer<A> {
            fn run(&self, inp: &mut Input, out: &mut dyn Write, err: &mut dyn Write, env: &Environ) -> io::Result<()> {
                (**self).run(inp, out, err, env)
            }
        }

        impl<A: PullApp + ?Sized> PullApp for $pointer<A> {
            type Output = A::Output;

            fn handle(&self, req: Request<Input>) -> io::Result<Response<A::Output>> {
                (**self).handle(req)
            }
        }
    )*};
}

shared_apps!(Arc, Box, Rc);

impl<F> fmt::Debug for PushFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PushFn")
    }
}

impl<F> fmt::Debug for PullFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PullFn")
    }
}
