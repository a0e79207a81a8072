//! How the exit status of a program affects its response.

use super::output::Failure;
use crate::service::report::Report;

/// How the exit status of a program affects its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExitStatus {
    /// A status other than zero means that the response is incomplete. Before the head the request is answered with
    /// 502, after it the response is aborted. A response that has its full length, or is an error page (a status of 400
    /// or more), is complete: its exit status is only logged.
    #[default]
    Cut,
    /// The status means nothing, and is logged. A signal is still a failure.
    Log,
}

impl ExitStatus {
    /// Returns the failure that a status other than zero means.
    pub(crate) fn failing(self, status: String, report: &Report) -> Option<Failure> {
        match self {
            ExitStatus::Cut => Some(Failure::Status(status)),
            ExitStatus::Log => {
                report.failure(&status);
                None
            }
        }
    }
}
