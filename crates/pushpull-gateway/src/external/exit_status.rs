//! What the exit status of a program says about its response.

use super::output::Failure;
use crate::service::report::Report;

/// What the exit status of a program says about its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExitStatus {
    /// Other than zero: that the response is not whole. It is a 502 before the head, and cut after it. If its length was met,
    /// or it is an error page (a status of 400 or more), the response is whole, and the exit status is logged.
    #[default]
    Cut,
    /// Nothing: for programs whose status means nothing. It is logged. A signal is a failure all the same.
    Log,
}

impl ExitStatus {
    /// What a status other than zero is to the response.
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
