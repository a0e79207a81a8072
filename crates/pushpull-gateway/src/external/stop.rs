//! Why a program is stopped, and what its client receives.

use std::fmt;
use std::io;

use http::StatusCode;

use super::clock::{Limit, Wait};
use super::output::Output;
use crate::cgi::head::HeadError;
use crate::cgi::refusal::Refusal;
use crate::service::report::Report;

/// The message for an output that other processes hold open.
pub(crate) const OPEN: &str =
    "the program has ended, but processes that it started hold its output open: the rest is discarded";

/// Why a program is stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The client has disconnected.
    Gone,
    /// The server is stopping.
    Server,
    /// The client sent something invalid, or stopped sending.
    Client(Refusal),
    /// The program's output does not begin with a valid head.
    Head(HeadError),
    Limit(Limit),
    /// The connection to an application failed.
    #[cfg_attr(not(feature = "upstream"), allow(dead_code, reason = "only an application upstream has one"))]
    Connection(Refusal),
}

impl Stop {
    /// Returns the answer for a client that has none yet.
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

    /// Returns the kind of the error that aborts a response.
    pub(crate) fn kind(&self) -> io::ErrorKind {
        match self {
            Stop::Gone | Stop::Client(_) => io::ErrorKind::BrokenPipe,
            Stop::Server => io::ErrorKind::ConnectionAborted,
            Stop::Head(_) => io::ErrorKind::InvalidData,
            Stop::Limit(_) => io::ErrorKind::TimedOut,
            Stop::Connection(_) => io::ErrorKind::UnexpectedEof,
        }
    }

    /// Fails the response if it is incomplete, and logs what the client's answer does not contain.
    pub(crate) fn fail(&self, output: &mut Output, report: &Report) {
        if matches!(self, Stop::Gone | Stop::Limit(Limit::Drained)) {
            return;
        }
        // A refusal is reported with its answer.
        let was_answered = !output.is_unanswered();
        output.fail(self.refusal(), self.kind());
        if was_answered && self.is_failure() {
            report.failure(self);
        }
    }

    /// Returns `true` if the program caused the stop, which is then logged.
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
            Stop::Gone => "the client disconnected",
            Stop::Server => "the server is stopping",
            Stop::Client(refusal) | Stop::Connection(refusal) => return refusal.fmt(f),
            Stop::Head(error) => return error.fmt(f),
            Stop::Limit(Limit::Waited(Wait::Client | Wait::Server)) => "the client stopped reading its response",
            Stop::Limit(Limit::Waited(Wait::Upload)) => "the client stopped sending the request's body",
            Stop::Limit(Limit::Waited(Wait::Head)) => "the program did not complete its head in time",
            Stop::Limit(Limit::Waited(Wait::Program)) => "the program neither writes nor ends",
            Stop::Limit(Limit::Waited(Wait::Status)) => "the program closed its output, but does not end",
            Stop::Limit(Limit::Waited(Wait::Rest)) => OPEN,
            Stop::Limit(Limit::Waited(Wait::Work)) => {
                "the program was stopped: it ran on for too long after its response"
            }
            Stop::Limit(Limit::Drained) => "the program was stopped: it kept writing after its response was complete",
            Stop::Limit(Limit::Total) => "the program ran for too long",
        })
    }
}
