//! Reports what prevents a file from being sent.

use std::fmt::Display;

use http::request::Parts;
use http::{Method, Uri};

use crate::cgi::environ::Environ;
use crate::cgi::error_stream::ErrorStream;
use crate::service::report::write_line;

/// The request that a report is about, and the error log.
#[derive(Clone)]
pub(super) struct Reporter {
    error_log: ErrorStream,
    method: Method,
    uri: Uri,
}

impl Reporter {
    /// Creates a reporter to this log, or else to that of the request.
    pub(super) fn new(error_log: Option<&ErrorStream>, parts: &Parts) -> Reporter {
        let of_request = || parts.extensions.get::<Environ>().map(Environ::error_log);
        let error_log = error_log.cloned().or_else(of_request).unwrap_or_default();
        Reporter { error_log, method: parts.method.clone(), uri: parts.uri.clone() }
    }

    /// Reports a failure in one line.
    pub(super) fn failure(&self, what: &dyn Display) {
        write_line(&self.error_log, self.method.as_str(), &self.uri.to_string(), what);
    }
}
