//! The settings of an SCGI server.

use super::connection::OneRequest;
use crate::host;
use crate::host::responder::{Accept, front_protocol};

/// The SCGI protocol, from the application's side.
#[derive(Debug, Clone, Default)]
pub struct Scgi {
    pub(super) accept: Accept,
}

/// An SCGI server.
pub type Server = host::Server<Scgi>;

front_protocol!(Scgi, OneRequest);
