//! Local redirects: responses that name another path on this server (RFC 3875, 6.2.2).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{HeaderMap, LOCATION};
use http::{Method, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use super::report::write_line;
use crate::cgi::environ::Environ;
use crate::cgi::error_stream::ErrorStream;
use crate::cgi::redirect::{Again, Carried, give, keep};
use crate::cgi::refusal::Refusal;
use crate::cgi::response::LocalRedirect;

/// The maximum number of redirects for one request.
const MAX_HOPS: usize = 10;

/// A service that follows local redirects.
///
/// For each redirect it calls the inner service again with the path in `Location`, as a `GET` without a body (a `HEAD`
/// remains one). After ten redirects the request is answered with 502.
///
/// The other fields of a redirect become fields of the final response, except those that describe a body
/// (`Content-Type`, `ETag` and the like). `Set-Cookie` and `Vary` are added to those of the final response. For any
/// other field, the final response's own value counts.
///
/// Wrap a whole router in it, so that a program can redirect to another one.
#[derive(Clone)]
pub struct LocalRedirects<S> {
    service: S,
    error_log: Option<ErrorStream>,
}

impl<S> LocalRedirects<S> {
    /// Creates a service that follows the local redirects of `service`.
    pub fn new(service: S) -> LocalRedirects<S> {
        LocalRedirects { service, error_log: None }
    }

    /// Sets the error log for redirects that cannot be followed (default: the error log of the request's [`Environ`],
    /// which is `tracing` unless set).
    #[must_use]
    pub fn error_log(mut self, error_log: ErrorStream) -> LocalRedirects<S> {
        self.error_log = Some(error_log);
        self
    }
}

/// A tower [`Layer`] that wraps a service in [`LocalRedirects`].
///
/// ```
/// use pushpull::Local;
/// use pushpull_gateway::{LocalRedirectsLayer, push_fn, service};
/// use tower::ServiceBuilder;
///
/// let app = push_fn(|_inp, out, _err, _env| write!(out, "Location: /elsewhere\n\n"));
/// let service = ServiceBuilder::new().layer(LocalRedirectsLayer::new()).service(service(Local::new(), app));
/// # let _ = service;
/// ```
#[derive(Debug, Clone, Default)]
pub struct LocalRedirectsLayer {
    error_log: Option<ErrorStream>,
}

impl LocalRedirectsLayer {
    /// Creates the layer.
    pub fn new() -> LocalRedirectsLayer {
        LocalRedirectsLayer::default()
    }

    /// Sets the [error log](LocalRedirects::error_log) of the services.
    #[must_use]
    pub fn error_log(mut self, error_log: ErrorStream) -> LocalRedirectsLayer {
        self.error_log = Some(error_log);
        self
    }
}

impl<S> Layer<S> for LocalRedirectsLayer {
    type Service = LocalRedirects<S>;

    fn layer(&self, service: S) -> LocalRedirects<S> {
        LocalRedirects { service, error_log: self.error_log.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for LocalRedirects<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    B: Default,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let of_request = || request.extensions().get::<Environ>().map(Environ::error_log);
        let error_log = self.error_log.clone().or_else(of_request).unwrap_or_default();
        let origin = Origin { method: request.method().clone(), error_log };
        let again = Again::of(&request);
        let step = Step::Asked(Box::pin(self.service.call(request)));
        ResponseFuture { service: self.service.clone(), origin, again, step, hops: 0, kept: HeaderMap::new() }
    }
}

/// What the report of a failure needs beside the target.
struct Origin {
    method: Method,
    error_log: ErrorStream,
}

/// The future of a [`LocalRedirects`] response.
pub struct ResponseFuture<S, B, F> {
    service: S,
    origin: Origin,
    again: Again,
    step: Step<B, F>,
    hops: usize,
    /// The fields of the redirects, for the final response.
    kept: HeaderMap,
}

enum Step<B, F> {
    Asked(Pin<Box<F>>),
    /// Waits until the service is ready for the next request.
    Ready(Option<Box<Request<B>>>),
}

// Only the content of a box is pinned.
impl<S, B, F> Unpin for ResponseFuture<S, B, F> {}

impl<S, B, R> Future for ResponseFuture<S, B, S::Future>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    B: Default,
    R: From<String>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match &mut this.step {
                Step::Ready(request) => {
                    ready!(this.service.poll_ready(context))?;
                    let request = request.take().expect("a request is sent once");
                    this.step = Step::Asked(Box::pin(this.service.call(*request)));
                }
                Step::Asked(answer) => {
                    let mut response = ready!(answer.as_mut().poll(context))?;
                    if response.extensions().get::<LocalRedirect>().is_none() {
                        give(&this.kept, response.headers_mut());
                        return Poll::Ready(Ok(response));
                    }
                    this.hops += 1;
                    keep(&mut this.kept, response.headers());
                    let place = response.headers().get(LOCATION).map_or(&b""[..], |place| place.as_bytes());
                    let mut again = this.again.request(place);
                    if let Some(request) = &mut again
                        && let Some(carried) = response.extensions().get::<Carried>()
                    {
                        request.extensions_mut().insert(carried.clone());
                    }
                    let reason = match again {
                        Some(request) if this.hops <= MAX_HOPS => {
                            this.step = Step::Ready(Some(Box::new(request)));
                            continue;
                        }
                        Some(_) => format!("more than {MAX_HOPS} local redirects, the last to "),
                        None => "a local redirect to an invalid path: ".to_owned(),
                    };
                    let mut refused = this.refuse(reason, place);
                    give(&this.kept, refused.headers_mut());
                    return Poll::Ready(Ok(refused));
                }
            }
        }
    }
}

impl<S, B, F> ResponseFuture<S, B, F> {
    /// Returns a 502 that names the target of the last redirect.
    fn refuse<R: From<String>>(&self, reason: String, place: &[u8]) -> Response<R> {
        let refusal = Refusal::new(StatusCode::BAD_GATEWAY, reason + &String::from_utf8_lossy(place));
        let Origin { method, error_log } = &self.origin;
        write_line(error_log, method.as_str(), self.again.target(), &refusal);
        refusal.into_response()
    }
}

impl<S> fmt::Debug for LocalRedirects<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalRedirects")
    }
}

impl<S, B, F> fmt::Debug for ResponseFuture<S, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("hops", &self.hops).finish_non_exhaustive()
    }
}
