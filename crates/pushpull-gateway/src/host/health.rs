//! Answers to the health checks of a load balancer. Start with [`Health`], or with [`HealthLayer`] in a stack of layers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::Shutdown;

/// A service that answers `GET` and `HEAD` of one path: with 200 while the server runs, with 503 once a shutdown has
/// begun. The inner service answers all other requests.
///
/// A load balancer that checks more often than the [notice](super::ClientLimits::shutdown_notice) lasts stops sending
/// requests before the server stops accepting them.
///
/// ```no_run
/// use std::time::Duration;
///
/// use pushpull::Local;
/// use pushpull_gateway::{push_fn, service};
/// use pushpull_gateway::host::{Health, ClientLimits, Shutdown, http};
///
/// let shutdown = Shutdown::on_signals()?;
/// let app = push_fn(|_inp, out, _err, _env| write!(out, "Content-Type: text/plain\n\nhello\n"));
/// let service = Health::new("/health", &shutdown, service(Local::new(), app));
/// # let _ = service;
/// let server = http::Server::bind("127.0.0.1:8080")?.limits(ClientLimits::new().shutdown_notice(Duration::from_secs(2)));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone)]
pub struct Health<S> {
    path: Option<Arc<str>>,
    shutdown: Shutdown,
    service: S,
}

impl<S> Health<S> {
    /// Creates a service that answers `path`, which must begin with `/`. With `None`, `service` answers everything.
    pub fn new<'a>(path: impl Into<Option<&'a str>>, shutdown: &Shutdown, service: S) -> Health<S> {
        Health { path: path.into().map(Arc::from), shutdown: shutdown.clone(), service }
    }
}

/// A tower [`Layer`] that puts [`Health`] around a service.
///
/// ```
/// use pushpull::Local;
/// use pushpull_gateway::host::{HealthLayer, Shutdown};
/// use pushpull_gateway::{push_fn, service};
/// use tower::ServiceBuilder;
///
/// let shutdown = Shutdown::new();
/// let app = push_fn(|_inp, out, _err, _env| write!(out, "Content-Type: text/plain\n\nhello\n"));
/// let layer = HealthLayer::new("/health", &shutdown);
/// let service = ServiceBuilder::new().layer(layer).service(service(Local::new(), app));
/// # let _ = service;
/// ```
#[derive(Debug, Clone)]
pub struct HealthLayer {
    path: Option<Arc<str>>,
    shutdown: Shutdown,
}

impl HealthLayer {
    /// Creates a layer whose services answer `path`: see [`Health::new`].
    pub fn new<'a>(path: impl Into<Option<&'a str>>, shutdown: &Shutdown) -> HealthLayer {
        HealthLayer { path: path.into().map(Arc::from), shutdown: shutdown.clone() }
    }
}

impl<S> Layer<S> for HealthLayer {
    type Service = Health<S>;

    fn layer(&self, service: S) -> Health<S> {
        Health { path: self.path.clone(), shutdown: self.shutdown.clone(), service }
    }
}

impl<S, B, R> Service<Request<B>> for Health<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_asked = self.path.as_deref() == Some(request.uri().path())
            && matches!(*request.method(), Method::GET | Method::HEAD);
        if !is_asked {
            return ResponseFuture { answer: None, asked: Some(self.service.call(request)) };
        }
        let (status, text) = match self.shutdown.has_begun() {
            false => (StatusCode::OK, "ok\n"),
            true => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
        };
        let mut answer = Response::new(R::from(text.to_owned()));
        *answer.status_mut() = status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        ResponseFuture { answer: Some(answer), asked: None }
    }
}

pin_project! {
    /// The response of [`Health`].
    #[derive(Debug)]
    pub struct ResponseFuture<F, R> {
        answer: Option<Response<R>>,
        #[pin]
        asked: Option<F>,
    }
}

impl<F, R, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.asked.as_pin_mut() {
            Some(asked) => asked.poll(context),
            None => Poll::Ready(Ok(this.answer.take().expect("a future is not polled after it was ready"))),
        }
    }
}
