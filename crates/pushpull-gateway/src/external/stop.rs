//! Why a program is stopped, and what its client is told of it.

use std::fmt;
use std::io;

use http::StatusCode;

use super::clock::{Limit, Wait};
use super::output::Output;
use crate::cgi::head::HeadError;
use crate::cgi::refusal::Refusal;
use crate::service::report::Report;

/// What is said of an output that others hold open.
pub(crate) const OPEN: &str =
    "the program has ended, and others that it started hold its output open: the rest of it is not waited for";

/// Why a program is stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The client has gone.
    Gone,
    /// Nothing is to run any more.
    Server,
    /// What the client sent, or failed to send.
    Client(Refusal),
    /// What the program wrote begins with no head.
    Head(HeadError),
    Limit(Limit),
    /// What happened to the connection that the program is spoken to by.
    #[cfg_attr(not(feature = "upstream"), allow(dead_code, reason = "only an application upstream has one"))]
    Connection(Refusal),
}

impl Stop {
    /// What a client is answered that has no answer yet.
    pub(crate) fn refusal(&self) -> Refusal {
        let status = match self {
            Stop::Client(refusal) | Stop::Connection(refusal) => return refusal.clone(),
            Stop::Gone | Stop::Limit(Limit::Waited(Wait::Client | Wait::Server | Wait::Upload)) => {
                StatusCode::REQUEST_TIMEOUT
            }
            Stop::Server => StatusCode::SERVICE_UNAVAILABLE,
            Stop::Head(_) => StatusCode::BAD_GATEWAY,
            Stop::Limit(_) => StatusCode::GATEWAY_TIMEOUT,
        };
        Refusal::new(status, self.to_string())
    }

    /// What kind of error cuts a response.
    pub(crate) fn kind(&self) -> io::ErrorKind {
        match self {
            Stop::Gone | Stop::Client(_) => io::ErrorKind::BrokenPipe,
            Stop::Server => io::ErrorKind::ConnectionAborted,
            Stop::Head(_) => io::ErrorKind::InvalidData,
            Stop::Limit(_) => io::ErrorKind::TimedOut,
            Stop::Connection(_) => io::ErrorKind::UnexpectedEof,
        }
    }

    /// Has the response fail, if it is not complete, and logs what no answer says.
    pub(crate) fn tell(&self, output: &mut Output, report: &Report) {
        if matches!(self, Stop::Gone | Stop::Limit(Limit::Drained)) {
            return;
        }
        // What is refused is reported with the refusal.
        let was_answered = !output.is_unanswered();
        output.fail(self.refusal(), self.kind());
        if was_answered && self.is_failure() {
            report.failure(self);
        }
    }

    /// Returns `true` if it is the program's doing, and belongs into the log.
    fn is_failure(&self) -> bool {
        match self {
            Stop::Gone | Stop::Server | Stop::Client(_) => false,
            Stop::Limit(Limit::Waited(Wait::Client | Wait::Server | Wait::Upload)) => false,
            Stop::Head(_) | Stop::Limit(_) | Stop::Connection(_) => true,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stop::Gone => "the client has gone",
            Stop::Server => "the server is stopping",
            Stop::Client(refusal) | Stop::Connection(refusal) => return refusal.fmt(f),
            Stop::Head(error) => return error.fmt(f),
            Stop::Limit(Limit::Waited(Wait::Client | Wait::Server)) => "the client takes nothing",
            Stop::Limit(Limit::Waited(Wait::Upload)) => "the request's body does not come",
            Stop::Limit(Limit::Waited(Wait::Head)) => "the program does not begin its response",
            Stop::Limit(Limit::Waited(Wait::Program)) => "the program writes nothing and does not end",
            Stop::Limit(Limit::Waited(Wait::Status)) => "the program closed its output and does not end",
            Stop::Limit(Limit::Waited(Wait::Rest)) => OPEN,
            Stop::Limit(Limit::Waited(Wait::Work)) => {
                "the program was stopped: it ran on for too long after its response"
            }
            Stop::Limit(Limit::Drained) => "the program was stopped: it wrote on after its response was complete",
            Stop::Limit(Limit::Total) => "the program runs for too long",
        })
    }
}
