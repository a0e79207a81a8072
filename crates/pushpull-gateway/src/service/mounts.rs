//! Several services on one server, each below a path prefix of its own.

use std::cmp::Reverse;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::cgi::environ::Environ;
use crate::cgi::path::{Mount, decode};
use crate::cgi::refusal::Refusal;

/// A service that passes each request to the service with the longest matching [`Mount`].
///
/// A request that no mount matches is answered with 404. A request with an invalid path is answered with 400. Clones
/// share their mounts.
///
/// The URI stays as it is: each service is given its own mount too, such as by `Script::mount`. A front
/// server (FastCGI, SCGI) has split the path already. There, `SCRIPT_NAME` and `PATH_INFO` are split anew at the mount.
///
/// ```
/// use pushpull::Local;
/// use pushpull_gateway::{Mount, Mounts, push_fn, service};
///
/// let app = |text: &'static str| {
///     service(Local::new(), push_fn(move |_inp, out, _err, _env| write!(out, "Content-Type: text/plain\n\n{text}")))
/// };
/// let service = Mounts::new().mount(Mount::root(), app("elsewhere")).mount(Mount::at("/git")?, app("git"));
/// # let _ = service;
/// # Ok::<(), pushpull_gateway::BadMount>(())
/// ```
pub struct Mounts<S>(Arc<Inner<S>>);

#[derive(Clone)]
struct Inner<S> {
    /// The longest prefix comes first.
    mounts: Vec<(Mount, S)>,
    fallback: Option<S>,
}

impl<S: Clone> Mounts<S> {
    /// Creates a service without mounts.
    pub fn new() -> Mounts<S> {
        Mounts::default()
    }

    /// Adds a service. If two mounts have the same prefix, the first one counts.
    #[must_use]
    pub fn mount(mut self, mount: Mount, service: S) -> Mounts<S> {
        let mounts = &mut Arc::make_mut(&mut self.0).mounts;
        mounts.push((mount, service));
        // Keeps the order of equal prefixes.
        mounts.sort_by_key(|(mount, _)| Reverse(mount.prefix().len()));
        self
    }

    /// Sets the service for every request that no mount matches (default: 404). It gets them unchanged.
    #[must_use]
    pub fn fallback(mut self, service: S) -> Mounts<S> {
        Arc::make_mut(&mut self.0).fallback = Some(service);
        self
    }
}

impl<S> Mounts<S> {
    /// Returns all services: the longest prefix first, the fallback last.
    pub fn services(&self) -> impl Iterator<Item = &S> {
        self.0.mounts.iter().map(|(_, service)| service).chain(&self.0.fallback)
    }

    /// Returns the service of a request. Splits the path that a front server has split.
    fn find<B>(&self, request: &mut Request<B>) -> Result<&S, Refusal> {
        if let (true, Some(service)) = (self.0.mounts.is_empty(), &self.0.fallback) {
            return Ok(service);
        }
        let env = request.extensions().get::<Environ>();
        let path = match env {
            Some(env) => ["SCRIPT_NAME", "PATH_INFO"].map(|name| env.get(name).unwrap_or_default()).concat(),
            None => decode(request.uri().path().as_bytes())?,
        };
        let found = self.0.mounts.iter().find_map(|(mount, service)| Some((mount, mount.below(&path)?, service)));
        let Some((mount, below, service)) = found else {
            return self
                .0
                .fallback
                .as_ref()
                .ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "there is nothing here"));
        };
        if let Some(env) = request.extensions_mut().get_mut::<Environ>() {
            for (name, value) in [("SCRIPT_NAME", mount.prefix().as_bytes()), ("PATH_INFO", below)] {
                env.set(name, value).map_err(|error| Refusal::bad_request(&error.to_string()))?;
            }
        }
        Ok(service)
    }
}

impl<S> Default for Mounts<S> {
    fn default() -> Mounts<S> {
        Mounts(Arc::new(Inner { mounts: Vec::new(), fallback: None }))
    }
}

impl<S> Clone for Mounts<S> {
    fn clone(&self) -> Mounts<S> {
        Mounts(self.0.clone())
    }
}

impl<S, B, R> Service<Request<B>> for Mounts<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, S::Future>;

    /// Is always ready: the path decides which service has to be.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let state = match self.find(&mut request).cloned() {
            Ok(service) => State::Found { service, request: Some(request) },
            Err(refusal) => State::Refused { refusal: Some(refusal) },
        };
        ResponseFuture { state }
    }
}

pin_project! {
    /// The response of [`Mounts`].
    pub struct ResponseFuture<S, B, F> {
        #[pin]
        state: State<S, B, F>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, B, F> {
        /// No mount matches.
        Refused { refusal: Option<Refusal> },
        /// The service has to become ready.
        Found { service: S, request: Option<Request<B>> },
        /// The service has the request.
        Called { #[pin] future: F },
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, S::Future>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<String>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        const ONCE: &str = "a future is not polled after it was ready";
        let mut state = self.project().state;
        loop {
            let future = match state.as_mut().project() {
                Projected::Refused { refusal } => return Poll::Ready(Ok(refusal.take().expect(ONCE).into_response())),
                Projected::Called { future } => return future.poll(context),
                Projected::Found { service, request } => {
                    ready!(service.poll_ready(context))?;
                    service.call(request.take().expect(ONCE))
                }
            };
            state.set(State::Called { future });
        }
    }
}

impl<S> fmt::Debug for Mounts<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.mounts.iter().map(|(mount, _)| mount.prefix())).finish()
    }
}

impl<S, B, F> fmt::Debug for ResponseFuture<S, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts() -> Mounts<&'static str> {
        ["/", "/a/b", "/a"].into_iter().fold(Mounts::new(), |mounts, at| mounts.mount(Mount::at(at).unwrap(), at))
    }

    fn found(mounts: &Mounts<&'static str>, path: &str) -> Result<&'static str, u16> {
        let mut request = Request::get(path).body(()).unwrap();
        mounts.find(&mut request).copied().map_err(|refusal| refusal.status().as_u16())
    }

    #[test]
    fn requirement_2_the_longest_mount_on_a_segment_boundary_counts() {
        for (path, expected) in [
            ("/", Ok("/")),
            ("/ab", Ok("/")),
            ("/a", Ok("/a")),
            ("/a/bc?/a/b", Ok("/a")),
            ("/%61/b/c", Ok("/a/b")),
            ("/a/../b", Err(400)),
            ("*", Err(400)),
        ] {
            assert_eq!(found(&mounts(), path), expected, "{path}");
        }
    }

    #[test]
    fn what_no_mount_matches_is_for_the_fallback_or_404() {
        let mounts = Mounts::new().mount(Mount::at("/a").unwrap(), "a");
        assert_eq!(found(&mounts, "/b"), Err(404));
        assert_eq!(found(&mounts.fallback("b"), "/b"), Ok("b"));
        assert_eq!(found(&Mounts::new().fallback("b"), "/%"), Ok("b"));
    }

    #[test]
    fn requirement_22_the_path_of_a_front_server_is_split_anew() {
        let mut env = Environ::default();
        env.set("SCRIPT_NAME", "/a/b/c.cgi").unwrap();
        env.set("PATH_INFO", "/d").unwrap();
        let mut request = Request::get("/").body(()).unwrap();
        request.extensions_mut().insert(env);
        assert_eq!(mounts().find(&mut request), Ok(&"/a/b"));
        let env = request.extensions().get::<Environ>().unwrap();
        assert_eq!((env.get_str("SCRIPT_NAME"), env.get_str("PATH_INFO")), (Some("/a/b"), Some("/c.cgi/d")));
    }
}
