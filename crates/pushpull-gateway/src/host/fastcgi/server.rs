//! The server's own settings.

use super::connection::Requests;
use crate::fastcgi::MAX_PARAMS;
use crate::host;
use crate::host::responder::{Accept, front_protocol};

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

front_protocol!(FastCgi, Requests);
