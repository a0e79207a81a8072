//! Why a program is stopped, and what its client is told of it.

use std::fmt;
use std::io;

use http::StatusCode;

use super::clock::{Limit, Wait};
use crate::gateway::head::HeadError;
use crate::gateway::refusal::Refusal;

/// Why a program is stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The client has gone.
    Gone,
    /// Nothing is to run any more.
    Server,
    /// What the client sent, or failed to send.
    Client(Refusal),
    /// What the program wrote begins with no head.
    Head(HeadError),
    Limit(Limit),
}

impl Stop {
    /// What a client is answered that has no answer yet.
    pub(super) fn refusal(&self) -> Refusal {
        let status = match self {
            Stop::Client(refusal) => return refusal.clone(),
            Stop::Gone | Stop::Limit(Limit::Waited(Wait::Client | Wait::Upload)) => StatusCode::REQUEST_TIMEOUT,
            Stop::Server => StatusCode::SERVICE_UNAVAILABLE,
            Stop::Head(_) => StatusCode::BAD_GATEWAY,
            Stop::Limit(_) => StatusCode::GATEWAY_TIMEOUT,
        };
        Refusal::new(status, self.to_string())
    }

    /// What kind of error cuts a response.
    pub(super) fn kind(&self) -> io::ErrorKind {
        match self {
            Stop::Gone | Stop::Client(_) => io::ErrorKind::BrokenPipe,
            Stop::Server => io::ErrorKind::ConnectionAborted,
            Stop::Head(_) => io::ErrorKind::InvalidData,
            Stop::Limit(_) => io::ErrorKind::TimedOut,
        }
    }

    /// Whether it is the program's doing, and belongs into the log.
    pub(super) fn is_failure(&self) -> bool {
        match self {
            Stop::Gone | Stop::Server | Stop::Client(_) => false,
            Stop::Limit(Limit::Waited(Wait::Client | Wait::Upload) | Limit::Drained) => false,
            Stop::Head(_) | Stop::Limit(_) => true,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stop::Gone => "the client has gone",
            Stop::Server => "the server is stopping",
            Stop::Client(refusal) => return refusal.fmt(f),
            Stop::Head(error) => return error.fmt(f),
            Stop::Limit(Limit::Waited(Wait::Client)) => "the client takes nothing",
            Stop::Limit(Limit::Waited(Wait::Upload)) => "the request's body does not come",
            Stop::Limit(Limit::Waited(Wait::Head)) => "the program does not begin its response",
            Stop::Limit(Limit::Waited(Wait::Program)) => "the program writes nothing and does not end",
            Stop::Limit(Limit::Drained) => "the program writes on although nobody gets it",
            Stop::Limit(Limit::Total) => "the program runs for too long",
        })
    }
}
