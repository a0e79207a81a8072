//! Every app as a `tower::Service`, on any engine.

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

/// An app of either kind as a `tower::Service`, whose programs run on `engine`.
///
/// On [`Local`](pushpull::Local) a program runs inside the polls of its response, on the thread that polls; neither app nor
/// service need be `Send`, and the body is [`local::Body`](crate::local::Body). On [`Thread`](pushpull::Thread) and
/// [`Pool`](pushpull::Pool) the app is shared between threads, and the body is [`Body`].
///
/// The request's body is pulled as the program reads: a program that never reads it hangs nothing. The service answers
/// when something follows the program's head (a byte of the body, a flush, a wait, the end), and the body
/// streams. An error before that becomes a 500, or a 502 for a head that is none; after that it cuts the response. So does
/// a body that is shorter than its `Content-Length`; what is longer goes nowhere.
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
/// * The output of a `HEAD` request, of a 204 and of a 304 is not sent: it is taken from the program and dropped before
///   the service answers, up to 16 MiB or 10 s; then the program is stopped. The time is kept by tokio's clock, so that
///   the service then has to be polled in a tokio runtime that has one.
/// * A local redirect (`Location: /path` without a status) is marked, and a 302 for the client: put
///   [`LocalRedirects`](crate::LocalRedirects) around it to have it answered here.
pub fn service<E, A, K>(engine: E, app: A) -> Service<E, A, K>
where
    A: App<K>,
{
    #[allow(clippy::arc_with_non_send_sync, reason = "an app that can be sent makes a service that can")]
    let app = Arc::new(app);
    Service { engine, app, mount: Mount::root(), most_head: MAX_HEAD, kind: PhantomData }
}

/// What [`service()`] makes: a `tower::Service<Request<B>, Response = Response<Body>, Error = Infallible>`.
pub struct Service<E, A, K> {
    engine: E,
    app: Arc<A>,
    mount: Mount,
    most_head: usize,
    kind: PhantomData<fn() -> K>,
}

impl<E, A, K> Service<E, A, K> {
    /// Mounts it: `SCRIPT_NAME` is the mount's prefix, and requests for what is not below it are answered with 404. A
    /// router that takes the prefix off the URI itself leaves nothing to mount.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Service<E, A, K> {
        self.mount = mount;
        self
    }

    /// How long the head of a response may be, in bytes (64 KiB unless set).
    ///
    /// # Panics
    ///
    /// If `bytes` is zero.
    #[must_use]
    #[track_caller]
    pub fn max_head(mut self, bytes: usize) -> Service<E, A, K> {
        assert!(bytes > 0, "`max_head(0)`: a head has at least one field");
        self.most_head = bytes;
        self
    }

    /// The program for a request.
    fn program<B: HttpBody>(&self, request: Request<B>, multi_threaded: bool) -> Result<Program<A, B, K>, Refusal> {
        let (parts, body) = request.into_parts();
        let complete = |env: Environ| env.with_multi_threaded(multi_threaded);
        let env = request::environ(&parts, &body.size_hint(), &self.mount, complete)?;
        let (app, slot, most_head) = (self.app.clone(), Slot::default(), self.most_head);
        Ok(Program { app, body, method: parts.method, env, slot, most_head, kind: PhantomData })
    }
}

/// One request on its way to its app.
struct Program<A, B, K> {
    app: Arc<A>,
    body: B,
    method: Method,
    env: Environ,
    slot: Slot,
    most_head: usize,
    kind: PhantomData<fn() -> K>,
}

impl<A, B, K> Program<A, B, K>
where
    A: App<K>,
    B: HttpBody + 'static,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    fn run<W: BridgeWriter>(self, writer: &mut W) -> io::Result<()> {
        let Program { app, body, method, env, slot, most_head, .. } = self;
        // The length in the answer to a `HEAD` is that of a body which is not there.
        let length = if method == Method::HEAD { Length::Free } else { Length::Kept };
        let (result, excess) = part(writer, slot, most_head, length, |out| {
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

/// The service on an engine: which body it has, what it asks of an app, and whether threads share the app.
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
            most_head: self.most_head,
            kind: PhantomData,
        }
    }
}

impl<E: fmt::Debug, A, K> fmt::Debug for Service<E, A, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("engine", &self.engine).field("mount", &self.mount).finish_non_exhaustive()
    }
}
