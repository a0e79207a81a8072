//! The settings of a FastCGI server.

use super::connection::Requests;
use crate::fastcgi::MAX_PARAMS;
use crate::host;
use crate::host::responder::{Accept, front_protocol};

/// The FastCGI protocol, from the application's side.
#[derive(Debug, Clone)]
pub struct FastCgi {
    pub(super) accept: Accept,
    pub(super) multiplexes: bool,
    pub(super) max_params: usize,
}

/// A FastCGI responder.
pub type Server = host::Server<FastCgi>;

impl Default for FastCgi {
    fn default() -> FastCgi {
        FastCgi { accept: Accept::default(), multiplexes: true, max_params: MAX_PARAMS }
    }
}

impl host::Server<FastCgi> {
    /// Sets whether a connection may have concurrent requests (default: true). If not, a second request ends with
    /// `CANT_MPX_CONN`.
    #[must_use]
    pub fn multiplex(mut self, multiplexes: bool) -> Server {
        self.protocol.multiplexes = multiplexes;
        self
    }

    /// Sets the maximum size of a request's parameters (default: 64 KiB). A larger request is answered with 431.
    ///
    /// # Panics
    ///
    /// Panics if `bytes` is zero.
    #[must_use]
    #[track_caller]
    pub fn max_params(mut self, bytes: usize) -> Server {
        assert!(bytes > 0, "`max_params` must not be zero; the default is 64 KiB");
        self.protocol.max_params = bytes;
        self
    }
}

front_protocol!(FastCgi, Requests);
