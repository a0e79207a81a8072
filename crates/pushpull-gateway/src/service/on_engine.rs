//! Runs an app of either shape as a `tower::Service`, on any engine.

use std::convert::Infallible;
use std::error;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use http_body::Body as HttpBody;

use super::answer::ResponseFuture;
use super::body::{Body, LocalBody};
use super::report::{Report, surplus};
use crate::app::input::Input;
use crate::app::kind::App;
use crate::app::output::{Length, Slot, part};
use crate::cgi::environ::Environ;
use crate::cgi::head::MAX_HEAD;
use crate::cgi::path::Mount;
use crate::cgi::refusal::Refusal;
use crate::cgi::request;
use pushpull::{BridgeWriter, Chunks, Error, Local, Pool, Thread, local};

/// Creates a `tower::Service` from an app of either shape. Its programs run on `engine`.
///
/// On [`Local`](pushpull::Local) a program runs inside the polls of its response, on the polling thread. Neither app
/// nor service need be `Send`, and the body is [`local::Body`](crate::local::Body). On [`Thread`](pushpull::Thread) and
/// [`Pool`](pushpull::Pool) the threads share the app, and the body is [`Body`].
///
/// The request's body is pulled as the program reads it; if the program never reads it, nothing hangs. The service
/// answers when the program's head is followed by a byte of the body, a flush, a wait or the end. Then the body
/// streams.
///
/// An error before the response starts is answered with 500, or with 502 if the header block is invalid. A later error
/// aborts the response, and so does a body shorter than its `Content-Length`. Bytes beyond `Content-Length` are
/// discarded.
///
/// ```
/// use http::Request;
/// use http_body_util::{BodyExt, Empty};
/// use pushpull::Local;
/// use pushpull_gateway::{push_fn, service};
/// use tower_service::Service;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let app = push_fn(|_inp, out, _err, env| {
///     let path = env.get_str("PATH_INFO").unwrap_or_default();
///     write!(out, "Content-Type: text/plain\n\nthis is {path}")
/// });
/// let mut service = service(Local::new(), app);
/// let request = Request::get("http://localhost/here").body(Empty::<bytes::Bytes>::new()).unwrap();
/// let response = service.call(request).await.unwrap();
/// assert_eq!(response.headers()["content-type"], "text/plain");
/// assert_eq!(response.into_body().collect().await?.to_bytes(), "this is /here");
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Caveats
///
/// * The output for a `HEAD` request, a 204, a 205 or a 304 is not sent. The service drains it before it answers, up to
///   16 MiB or 10 s; then it stops the program. The time is limited only in a tokio runtime, which must have time enabled.
/// * A local redirect (`Location: /path` without a status) is marked, and the client receives a 302. To follow it on
///   this server, wrap the service in [`LocalRedirects`](crate::LocalRedirects).
pub fn service<E, A, K>(engine: E, app: A) -> Service<E, A, K>
where
    A: App<K>,
{
    #[allow(clippy::arc_with_non_send_sync, reason = "an app that can be sent makes a service that can")]
    let app = Arc::new(app);
    Service { engine, app, mount: Mount::root(), max_head: MAX_HEAD, kind: PhantomData }
}

/// An app as a `tower::Service<Request<B>, Response = Response<Body>, Error = Infallible>`. [`service()`] creates it.
pub struct Service<E, A, K> {
    engine: E,
    app: Arc<A>,
    mount: Mount,
    max_head: usize,
    kind: PhantomData<fn() -> K>,
}

impl<E, A, K> Service<E, A, K> {
    /// Sets where the app is mounted (default: the root). `SCRIPT_NAME` is the mount's prefix; paths elsewhere are
    /// answered with 404. If a router removes the prefix from the URI, no mount is needed.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Service<E, A, K> {
        self.mount = mount;
        self
    }

    /// Sets the maximum length of a response's head in bytes (default: 64 KiB).
    ///
    /// # Panics
    ///
    /// Panics if `bytes` is zero.
    #[must_use]
    #[track_caller]
    pub fn max_head(mut self, bytes: usize) -> Service<E, A, K> {
        assert!(bytes > 0, "`max_head` must not be zero; the default is 64 KiB");
        self.max_head = bytes;
        self
    }

    /// Creates the program for a request.
    fn program<B: HttpBody>(&self, request: Request<B>, multi_threaded: bool) -> Result<Program<A, B, K>, Refusal> {
        let (parts, body) = request.into_parts();
        let complete = |env: Environ| env.with_multi_threaded(multi_threaded);
        let env = request::environ(&parts, &body.size_hint(), &self.mount, complete)?;
        let (app, slot, max_head) = (self.app.clone(), Slot::default(), self.max_head);
        Ok(Program { app, body, method: parts.method, env, slot, max_head, kind: PhantomData })
    }
}

/// The program for one request.
struct Program<A, B, K> {
    app: Arc<A>,
    body: B,
    method: Method,
    env: Environ,
    slot: Slot,
    max_head: usize,
    kind: PhantomData<fn() -> K>,
}

impl<A, B, K> Program<A, B, K>
where
    A: App<K>,
    B: HttpBody + 'static,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    fn run<W: BridgeWriter>(self, writer: &mut W) -> io::Result<()> {
        let Program { app, body, method, env, slot, max_head, .. } = self;
        // The length in a response to `HEAD` is that of a body that is not written.
        let length = if method == Method::HEAD { Length::Free } else { Length::Kept };
        let (result, excess) = part(writer, slot, max_head, length, |out| {
            let input = Input::of_body(body);
            input.join(out.outgoing());
            app.answer(input, out, &env)
        });
        let report = |what: &dyn fmt::Display| Report { error_log: env.error_log(), env: env.clone() }.failure(what);
        match &result {
            Err(error) if !Error::of(error).is_some_and(Error::is_disconnected) => report(error),
            _ if excess > 0 => report(&surplus(excess)),
            _ => {}
        }
        result
    }
}

/// Implements the service for an engine: its body, its requirements of an app, and whether threads share the app.
macro_rules! services {
    ($engine:ty, $chunks:ty, $body:ty, $multi_threaded:expr, ($($shared:tt)*), ($($sent:tt)*)) => {
        impl<A, B, K> tower_service::Service<Request<B>> for Service<$engine, A, K>
        where
            A: App<K> $($shared)*,
            B: HttpBody $($sent)* + 'static,
            B::Error: Into<Box<dyn error::Error + Send + Sync>>,
            K: 'static,
        {
            type Response = Response<$body>;
            type Error = Infallible;
            type Future = ResponseFuture<$chunks, $body>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: Request<B>) -> Self::Future {
                match self.program(request, $multi_threaded) {
                    Ok(program) => {
                        let (slot, method) = (program.slot.clone(), program.method.clone());
                        ResponseFuture::new(self.engine.pull(move |writer| program.run(writer)), slot, &method)
                    }
                    Err(refusal) => ResponseFuture::refused(refusal),
                }
            }
        }
    };
}

services!(Local, local::Chunks, LocalBody, false, (), ());
services!(Thread, Chunks, Body, true, (+ Send + Sync), (+ Send));
services!(Pool, Chunks, Body, true, (+ Send + Sync), (+ Send));

impl<E: Clone, A, K> Clone for Service<E, A, K> {
    fn clone(&self) -> Service<E, A, K> {
        Service {
            engine: self.engine.clone(),
            app: self.app.clone(),
            mount: self.mount.clone(),
            max_head: self.max_head,
            kind: PhantomData,
        }
    }
}

impl<E: fmt::Debug, A, K> fmt::Debug for Service<E, A, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("engine", &self.engine).field("mount", &self.mount).finish_non_exhaustive()
    }
}
