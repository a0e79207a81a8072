//! The server's own settings, and what it does with a connection.

use std::rc::Rc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::connection::OneRequest;
use crate::host::protocol::{Failure, Fronted, Protocol, sealed};
use crate::host::responder::{self, Accept};
use crate::host::server::Host;
use crate::host::stream::Stream;
use crate::host::{self, RequestBody};

/// SCGI, as an application speaks it.
#[derive(Debug, Clone, Default)]
pub struct Scgi {
    pub(super) accept: Accept,
}

/// An SCGI server.
pub type Server = host::Server<Scgi>;

#[allow(private_interfaces, reason = "sealed: nobody else calls it")]
impl Fronted for Scgi {
    fn accept(&mut self) -> &mut Accept {
        &mut self.accept
    }
}

impl sealed::Sealed for Scgi {}

#[allow(private_interfaces, reason = "sealed: nobody else calls it")]
impl Protocol for Scgi {
    const TRUSTS: bool = true;

    async fn serve<S, R>(stream: Stream, service: S, host: Rc<Host<Scgi>>)
    where
        S: Service<Request<RequestBody>, Response = Response<R>> + Clone + 'static,
        S::Error: Into<Failure>,
        R: Body<Data = Bytes> + 'static,
        R::Error: Into<Failure>,
    {
        responder::serve(stream, &host, |wire| OneRequest::new(wire, service, host.clone())).await;
    }

    /// It would have to be asked first.
    fn refuse(_: &Stream) {}
}
