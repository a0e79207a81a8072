//! The protocols of a server.

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

/// Returns the answer to `OPTIONS *`, which concerns the server and no application (RFC 9110, 9.3.7).
pub(super) fn about_server<B>(empty: B) -> Response<B> {
    let mut response = Response::new(empty);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

pub(super) type Failure = Box<dyn Error + Send + Sync>;

/// A protocol of a [`Server`](super::Server): [`Http`](super::http::Http), [`FastCgi`](super::fastcgi::FastCgi) or
/// [`Scgi`](super::scgi::Scgi). Other crates cannot implement it.
#[allow(private_interfaces, reason = "sealed: other crates neither call nor implement it")]
pub trait Protocol: Clone + Send + Sync + 'static + sealed::Sealed {
    /// `true` if the client determines a program's variables, and therefore has to be trusted.
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

    /// Refuses a connection beyond the limit and closes it, without waiting for its client.
    #[doc(hidden)]
    fn refuse(&self, stream: &Stream);
}

/// A protocol that front servers speak. For the parameters that reach an application, see [`fastcgi`](super::fastcgi).
#[allow(private_interfaces, reason = "sealed: other crates do not call it")]
pub trait Fronted: Protocol {
    /// Returns the settings of which parameters an application receives.
    #[doc(hidden)]
    fn accept(&mut self) -> &mut Accept;
}

impl<P: Fronted> Server<P> {
    /// Passes one more parameter to the application, such as `DOCUMENT_ROOT`. Consider how programs use it: `PATH` and
    /// `LD_PRELOAD` determine which code runs.
    #[must_use]
    pub fn accept_param(mut self, name: &str) -> Server<P> {
        self.protocol.accept().add(name);
        self
    }

    /// Sets the mount at which the path is split: `SCRIPT_NAME` is the mount's prefix. A request outside the mount is
    /// answered with 404. Without a mount, the front server splits the path.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Server<P> {
        self.protocol.accept().mount(mount);
        self
    }
}

pub(super) mod sealed {
    pub trait Sealed {}
}
