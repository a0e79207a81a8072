//! Static files as a service.

use std::convert::Infallible;
use std::fmt;
use std::task::{Context, Poll};

use http::header::{ALLOW, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use tower_service::Service;

use super::ResponseFuture;
use super::place::Place;
use super::reporter::Reporter;
use super::{listing, send};
use crate::cgi::error_stream::ErrorStream;
use crate::cgi::path::Mount;
use crate::cgi::refusal::Refusal;
use crate::service::body::Body;
use crate::site::Site;
use crate::site::directed::{not_found_out, nothing, with_slash};
use crate::site::find::Found;

/// The files of a [`Site`] as a `tower::Service<Request<B>, Response = Response<Body>>`.
///
/// A file is sent with its type, `Last-Modified` and an `ETag` from its time and size. The service answers `GET` and
/// `HEAD`, and everything else with 405 (RFC 9110, 15.5.6). It knows (sections of RFC 9110):
///
/// * conditional requests (13.1): `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since`;
/// * one range (14.2), with `If-Range` by strong comparison (13.1.5). Several ranges are answered with the whole file;
/// * precompressed files (12.5.3): if the client accepts a coding, `a.css.br`, `a.css.zst` or `a.css.gz` is sent for
///   `a.css`;
/// * directories: the index, a redirect to the path with the final slash (301), or a page that lists the directory.
///
/// Names that are text by their extension are sent as UTF-8. What the site does not find is answered with 404. What
/// this process must not read is answered with 403 and logged.
///
/// If a file becomes shorter while it is sent, the response is aborted. Bytes that are not in memory are read on
/// another thread, so a slow disk does not hold up other requests. The lookup itself may block. On Linux,
/// `host::http` has the system send large files from memory, unless a layer changes their body.
///
/// ```
/// use http::Request;
/// use http_body_util::{BodyExt, Empty};
/// use pushpull_gateway::{Files, Site};
/// use tower_service::Service;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let directory = tempfile::tempdir()?;
/// std::fs::write(directory.path().join("hello.txt"), "hello")?;
/// let mut files = Files::new(Site::new(directory.path())?);
/// let request = Request::get("http://localhost/hello.txt").body(Empty::<bytes::Bytes>::new()).unwrap();
/// let response = files.call(request).await.unwrap();
/// assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
/// assert_eq!(response.into_body().collect().await?.to_bytes(), "hello");
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
///
/// With programs beside the files:
///
/// ```
/// use pushpull_gateway::{Files, Script, Site};
///
/// # let directory = std::env::temp_dir();
/// let site = Site::new(directory)?.programs("*.cgi".parse()?);
/// let service = Files::new(site.clone()).programs(Script::of_site(site));
/// # let _ = service;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Caveats
///
/// It needs a tokio runtime with time enabled.
#[derive(Clone)]
pub struct Files<S = NoPrograms> {
    site: Site,
    mount: Mount,
    error_log: Option<ErrorStream>,
    programs: S,
    /// Whether `programs` also gets what the site does not find.
    is_fallback: bool,
}

/// The programs of a site that has none: every request is answered with 404.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPrograms;

impl Files {
    /// Creates a service that sends the files of a site. Its programs are answered with 404.
    pub fn new(site: Site) -> Files {
        Files { site, mount: Mount::root(), error_log: None, programs: NoPrograms, is_fallback: false }
    }
}

impl<S> Files<S> {
    /// Sets the service of the site's programs, such as a [`Script`](crate::Script::of_site) of the same site. It gets
    /// their requests unchanged.
    #[must_use]
    pub fn programs<P>(self, programs: P) -> Files<P> {
        let Files { site, mount, error_log, is_fallback, .. } = self;
        Files { site, mount, error_log, programs, is_fallback }
    }

    /// Sets whether the service of the programs also gets every request that finds nothing (default: `false`).
    #[must_use]
    pub fn fallback(mut self, fallback: bool) -> Files<S> {
        self.is_fallback = fallback;
        self
    }

    /// Sets where the site is mounted (default: the root). Paths elsewhere are answered with 404. The service of the
    /// programs needs the same mount.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Files<S> {
        self.mount = mount;
        self
    }

    /// Sets the log for files that cannot be read (default: the error log of the request's
    /// [`Environ`](crate::Environ), which is `tracing` unless set).
    #[must_use]
    pub fn error_log(mut self, error_log: ErrorStream) -> Files<S> {
        self.error_log = Some(error_log);
        self
    }

    /// Returns the site.
    pub fn site(&self) -> &Site {
        &self.site
    }

    async fn answer<B>(mut self, request: Request<B>) -> Response<Body>
    where
        S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    {
        let (parts, body) = request.into_parts();
        let place = match Place::of(&parts, &self.mount) {
            Ok(place) => place,
            Err(refusal) => return refusal.into_response(),
        };
        let found = match self.site.find(&place.path) {
            Ok(Found::Program { .. }) => return self.pass(parts, body).await,
            Ok(Found::Nothing) if self.is_fallback => return self.pass(parts, body).await,
            found => found.map_err(|error| not_found_out(&place.path, &error)),
        };
        let reporter = Reporter::new(self.error_log.as_ref(), &parts);
        let sent = match found {
            Ok(found) => sent(&self.site, &parts, &place, found, &reporter).await,
            Err(refusal) => Err(refusal),
        };
        sent.unwrap_or_else(|refusal| refused(refusal, &reporter))
    }

    async fn pass<B>(&mut self, parts: Parts, body: B) -> Response<Body>
    where
        S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    {
        let Ok(response) = self.programs.call(Request::from_parts(parts, body)).await;
        response
    }
}

/// Sends what was found, unless it is for a program.
async fn sent(
    site: &Site,
    parts: &Parts,
    place: &Place,
    found: Found,
    reporter: &Reporter,
) -> Result<Response<Body>, Refusal> {
    let is_method = matches!(parts.method, Method::GET | Method::HEAD);
    match found {
        Found::Program { .. } | Found::Nothing => Err(nothing()),
        _ if !is_method => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "a file is only read: GET or HEAD")),
        Found::Denied => Err(Refusal::new(StatusCode::FORBIDDEN, "the server must not read this")),
        Found::Slash => with_slash(&place.whole(), parts.uri.query()),
        Found::File { file, path } => send::send(site, file, path, parts, reporter).await,
        Found::Directory(directory) => listing::send(site, directory, place, parts).await,
    }
}

/// Returns a refusal as a response. Reports it, if it is for the owner of the files.
fn refused(refusal: Refusal, reporter: &Reporter) -> Response<Body> {
    let status = refusal.status();
    if status.is_server_error() || status == StatusCode::FORBIDDEN {
        reporter.failure(&refusal);
    }
    let mut response: Response<Body> = refusal.into_response();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

impl<S, B> Service<Request<B>> for Files<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.programs.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        // The service that was ready is the one that is called.
        let programs = self.programs.clone();
        let programs = std::mem::replace(&mut self.programs, programs);
        let (site, mount, error_log) = (self.site.clone(), self.mount.clone(), self.error_log.clone());
        let files = Files { site, mount, error_log, programs, is_fallback: self.is_fallback };
        ResponseFuture::new(files.answer(request))
    }
}

impl<B> Service<Request<B>> for NoPrograms {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> ResponseFuture {
        ResponseFuture::new(async { nothing().into_response() })
    }
}

impl<S> fmt::Debug for Files<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("site", &self.site).field("mount", &self.mount).finish_non_exhaustive()
    }
}
