//! The server's own settings, and what it does with a connection.

use std::rc::Rc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::connection::Requests;
use crate::fastcgi::MAX_PARAMS;
use crate::host::protocol::{Failure, Fronted, Protocol, sealed};
use crate::host::responder::{self, Accept};
use crate::host::server::Host;
use crate::host::stream::Stream;
use crate::host::{self, RequestBody};

/// FastCGI, as an application speaks it.
#[derive(Debug, Clone)]
pub struct FastCgi {
    pub(super) accept: Accept,
    pub(super) multiplexes: bool,
    pub(super) most_params: usize,
}

/// A FastCGI responder.
pub type Server = host::Server<FastCgi>;

impl Default for FastCgi {
    fn default() -> FastCgi {
        FastCgi { accept: Accept::default(), multiplexes: true, most_params: MAX_PARAMS }
    }
}

impl host::Server<FastCgi> {
    /// Whether a connection may have more than one request at a time (it may); if not, one more is told `CANT_MPX_CONN`.
    #[must_use]
    pub fn multiplex(mut self, multiplexes: bool) -> Server {
        self.protocol.multiplexes = multiplexes;
        self
    }

    /// How many bytes the parameters of a request may have (64 KiB): a longer one is answered with 431.
    ///
    /// # Panics
    ///
    /// If `bytes` is zero.
    #[must_use]
    #[track_caller]
    pub fn max_params(mut self, bytes: usize) -> Server {
        assert!(bytes > 0, "`max_params(0)`: a request has at least a method");
        self.protocol.most_params = bytes;
        self
    }
}

#[allow(private_interfaces, reason = "sealed: nobody else calls it")]
impl Fronted for FastCgi {
    fn accept(&mut self) -> &mut Accept {
        &mut self.accept
    }
}

impl sealed::Sealed for FastCgi {}

#[allow(private_interfaces, reason = "sealed: nobody else calls it")]
impl Protocol for FastCgi {
    const TRUSTS: bool = true;

    async fn serve<S, R>(stream: Stream, service: S, host: Rc<Host<FastCgi>>)
    where
        S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
        S::Error: Into<Failure>,
        R: Body<Data = Bytes> + 'static,
        R::Error: Into<Failure>,
    {
        responder::serve(stream, &host, |wire| Requests::new(wire, service, host.clone())).await;
    }

    /// There is no word for it before a request was begun.
    fn refuse(_: &Stream) {}
}
