//! What a server speaks.

use std::error::Error;
use std::future::Future;
use std::rc::Rc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::request_body::RequestBody;
use super::responder::Accept;
use super::server::{Host, Server};
use super::stream::Stream;
use crate::cgi::path::Mount;

/// Returns the answer to `OPTIONS *`: there is a server (RFC 9110, 9.3.7).
pub(super) fn about_server<B>(empty: B) -> Response<B> {
    let mut response = Response::new(empty);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

pub(super) type Failure = Box<dyn Error + Send + Sync>;

/// What a [`Server`](super::Server) speaks: [`Http`](super::http::Http), [`FastCgi`](super::fastcgi::FastCgi) or
/// [`Scgi`](super::scgi::Scgi). It cannot be implemented elsewhere.
#[allow(private_interfaces, reason = "sealed: nobody else calls or implements it")]
pub trait Protocol: Clone + Send + Sync + 'static + sealed::Sealed {
    /// Whether the other side says what a program is told, so that it has to be trusted.
    #[doc(hidden)]
    const TRUSTS: bool;

    /// Serves a connection and closes it.
    #[doc(hidden)]
    fn serve<S, R>(stream: Stream, service: S, host: Rc<Host<Self>>) -> impl Future<Output = ()>
    where
        S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
        S::Error: Into<Failure>,
        R: Body<Data = Bytes> + 'static,
        R::Error: Into<Failure>;

    /// Closes a connection that is one too many, without waiting for its client.
    #[doc(hidden)]
    fn refuse(stream: &Stream);
}

/// A protocol that a front server speaks: it says what a request is. See [`fastcgi`](super::fastcgi) for what of that passes.
#[allow(private_interfaces, reason = "sealed: nobody else calls it")]
pub trait Fronted: Protocol {
    /// What of it an application is told.
    #[doc(hidden)]
    fn accept(&mut self) -> &mut Accept;
}

impl<P: Fronted> Server<P> {
    /// Tells the application of one parameter more, such as `DOCUMENT_ROOT`. Think of what a program does with it: `PATH` or
    /// `LD_PRELOAD` decides what it runs.
    #[must_use]
    pub fn accept_param(mut self, name: &str) -> Server<P> {
        self.protocol.accept().add(name);
        self
    }

    /// Parts the path at a mount: `SCRIPT_NAME` is its prefix, and requests for what is not below it are answered with 404.
    /// Unless set, the parting is the front server's.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Server<P> {
        self.protocol.accept().mount(mount);
        self
    }
}

pub(super) mod sealed {
    pub trait Sealed {}
}
