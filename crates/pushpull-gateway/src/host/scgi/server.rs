//! The server's own settings.

use super::connection::OneRequest;
use crate::host;
use crate::host::responder::{Accept, front_protocol};

/// SCGI, as an application speaks it.
#[derive(Debug, Clone, Default)]
pub struct Scgi {
    pub(super) accept: Accept,
}

/// An SCGI server.
pub type Server = host::Server<Scgi>;

front_protocol!(Scgi, OneRequest);
