//! Converters between the two shapes of application.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use http::{Request, Response};

use super::input::Input;
use super::kind::App;
use super::output::{Held, Length, Mark, Slot, part};
use super::shapes::{PullApp, PushApp};
use crate::cgi::environ::Environ;
use crate::cgi::head::{HeadError, MAX_HEAD, ResponseHead};
use crate::cgi::request;
use pushpull::Local;
use pushpull::local::Chunks;

/// A pull app that runs a push app.
///
/// The push app runs on a coroutine, on the thread that pulls the response. It needs no thread of its own, and is never
/// more than one chunk ahead of the reader.
///
/// [`handle`](PullApp::handle) runs the push app until its head is complete. The meta-variables are the [`Environ`] in
/// the request's extensions. If there is none, they are made from the request.
///
/// ```
/// use http::Request;
/// use pushpull_gateway::{AsPull, Input, PullApp, push_fn};
///
/// let app = AsPull(push_fn(|_inp, out, _err, _env| write!(out, "Status: 404\n\nnothing here")));
/// let response = app.handle(Request::get("http://localhost/").body(Input::empty()).unwrap())?;
/// assert_eq!(response.status(), 404);
/// assert_eq!(response.into_body().collect::<Result<Vec<_>, _>>()?.concat(), b"nothing here");
/// # std::io::Result::Ok(())
/// ```
pub struct AsPull<A> {
    app: Arc<A>,
    engine: Local,
}

/// Creates a converter of `app`: see the [type](struct@AsPull).
#[allow(non_snake_case, reason = "the constructor of a type whose field is shared and not the app itself")]
pub fn AsPull<A: PushApp>(app: A) -> AsPull<A> {
    AsPull::new(app)
}

impl<A: PushApp> AsPull<A> {
    /// Creates a converter of `app`, as `AsPull(app)` does.
    pub fn new(app: A) -> AsPull<A> {
        #[allow(clippy::arc_with_non_send_sync, reason = "an app that can be sent makes a converter that can")]
        let app = Arc::new(app);
        AsPull { app, engine: Local::new() }
    }
}

impl<A> AsPull<A> {
    /// Sets the engine that the app runs on (default: `Local::new()`).
    #[must_use]
    pub fn on(mut self, engine: Local) -> AsPull<A> {
        self.engine = engine;
        self
    }
}

impl<A: PushApp> PullApp for AsPull<A> {
    type Output = Chunks;

    fn handle(&self, req: Request<Input>) -> io::Result<Response<Chunks>> {
        let (parts, input) = req.into_parts();
        let env = match parts.extensions.get::<Environ>() {
            Some(env) => env.clone(),
            None => request::meta_variables(&parts)?,
        };
        let Opened { head, chunks, .. } = open(&self.engine, self.app.clone(), input, env)?;
        Ok(head.into_response(chunks))
    }
}

/// The beginning of an app's response.
pub(crate) struct Opened {
    pub(crate) head: ResponseHead,
    /// Whether the app flushed the head.
    pub(crate) is_flushed: bool,
    pub(crate) chunks: Chunks,
}

/// Runs an app on a coroutine until its head is complete.
pub(crate) fn open<A, K>(engine: &Local, app: Arc<A>, input: Input, env: Environ) -> io::Result<Opened>
where
    A: App<K>,
{
    let slot = Slot::default();
    let told = slot.clone();
    let mut chunks = engine.pull(move |writer| {
        let (ended, _) = part(writer, told, MAX_HEAD, Length::Free, |out| {
            input.join(out.outgoing());
            app.answer(input, out, &env)
        });
        ended
    });
    // The first chunk is the mark for the head.
    let first = chunks.next();
    let head = slot.lock().take();
    match (head, first) {
        (Some(Held { head, .. }), Some(Ok(mark))) => {
            Ok(Opened { head, is_flushed: Mark::of(&mark) == Mark::Flush, chunks })
        }
        (_, Some(Err(error))) => Err(error),
        (_, _) => Err(HeadError::Incomplete.into()),
    }
}

/// A push app that runs a pull app. It writes and flushes each block of the body.
///
/// ```
/// use http::Response;
/// use pushpull_gateway::{AsPush, Environ, Input, PushApp, pull_fn};
///
/// let app = AsPush(pull_fn(|_req| Ok(Response::new(["a", "b"].into_iter().map(|text| Ok(text.into()))))));
/// let (mut out, mut err) = (Vec::new(), Vec::new());
/// app.run(&mut Input::empty(), &mut out, &mut err, &Environ::new())?;
/// assert_eq!(out, b"Status: 200 OK\r\n\r\nab");
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy)]
pub struct AsPush<A>(pub A);

impl<A: PullApp> AsPush<A> {
    /// Creates a converter of `app`, as `AsPush(app)` does.
    pub const fn new(app: A) -> AsPush<A> {
        AsPush(app)
    }
}

impl<A: PullApp> PushApp for AsPush<A> {
    fn run(&self, inp: &mut Input, out: &mut dyn Write, _: &mut dyn Write, env: &Environ) -> io::Result<()> {
        let request = request::of_meta_variables(env, std::mem::take(inp))?;
        let (parts, chunks) = self.0.handle(request)?.into_parts();
        let mut text = Vec::with_capacity(256);
        ResponseHead::of_response(&parts).write(&mut text);
        out.write_all(&text)?;
        for chunk in chunks {
            out.write_all(&chunk?)?;
            out.flush()?;
        }
        Ok(())
    }
}

impl<A> Clone for AsPull<A> {
    fn clone(&self) -> AsPull<A> {
        AsPull { app: self.app.clone(), engine: self.engine.clone() }
    }
}

impl<A> fmt::Debug for AsPull<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsPull")
    }
}

impl<A> fmt::Debug for AsPush<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsPush")
    }
}
