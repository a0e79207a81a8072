//! The two shapes of an application.

use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use super::input::Input;
use crate::cgi::environ::Environ;

/// An application that is handed streams and writes: `runCGI(inp, out, err, env)`.
///
/// `out` receives a CGI response: a header block, a blank line, the body (RFC 3875, section 6). `err` takes what is for
/// the server's log. Closures are apps by [`push_fn`].
///
/// An app is shared by all its requests, hence `&self`. Where it runs decides what more is asked of it: nothing on
/// [`Local`](pushpull::Local), `Send + Sync` on [`Thread`](pushpull::Thread) and [`Pool`](pushpull::Pool).
pub trait PushApp: 'static {
    /// Answers one request.
    ///
    /// # Errors
    ///
    /// An error before the body has begun becomes a response of its own (500); one that comes later cuts the response
    /// visibly. `inp` and `out` give errors when the client has gone; pass them on.
    fn run(&self, inp: &mut Input, out: &mut dyn Write, err: &mut dyn Write, env: &Environ) -> io::Result<()>;
}

/// An application that is asked: `handle_http(env) -> (status, headers, iterable)`.
///
/// The meta-variables, with the error stream, are an [`Environ`] in the request's extensions. Closures are apps by
/// [`pull_fn`].
pub trait PullApp: 'static {
    /// The body, block by block. It is asked for the next one when the one before has been taken.
    type Output: Iterator<Item = io::Result<Bytes>> + 'static;

    /// Answers one request.
    ///
    /// # Errors
    ///
    /// An error here, or as the first item of the body, becomes a response of its own (500); one that comes later in the
    /// body cuts the response visibly.
    fn handle(&self, req: Request<Input>) -> io::Result<Response<Self::Output>>;
}

/// A closure as a [`PushApp`].
///
/// ```
/// use pushpull_gateway::push_fn;
///
/// let hello = push_fn(|_inp, out, _err, env| {
///     let name = env.get_str("QUERY_STRING").unwrap_or("nobody");
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

/// A closure as a [`PullApp`].
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

/// What [`push_fn`] makes.
#[derive(Clone, Copy)]
pub struct PushFn<F>(F);

/// What [`pull_fn`] makes.
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

/// A shared app is an app.
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
