//! Reports of failed requests to the error log.

use std::fmt;
use std::io::Write;

#[cfg(all(feature = "script", unix))]
use http::Response;

use crate::cgi::environ::Environ;
use crate::cgi::error_stream::ErrorStream;
#[cfg(all(feature = "script", unix))]
use crate::cgi::refusal::Refusal;

/// The request that a report is about, and the error log.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) env: Environ,
    pub(crate) error_log: ErrorStream,
}

impl Report {
    /// Returns the response, or the refusal as a response. Reports the refusal if its status is a server error.
    #[cfg(all(feature = "script", unix))]
    pub(crate) fn answer<B: From<String>>(&self, result: Result<Response<B>, Refusal>) -> Response<B> {
        result.unwrap_or_else(|refusal| {
            if refusal.status().is_server_error() {
                self.failure(&refusal);
            }
            refusal.into_response()
        })
    }

    /// Reports a failure in one line.
    pub(crate) fn failure(&self, what: &dyn fmt::Display) {
        let text = |name| String::from_utf8_lossy(self.env.get(name).unwrap_or_default());
        write_line(&self.error_log, &text("REQUEST_METHOD"), &text("REQUEST_URI"), what);
    }
}

/// Returns the message for bytes beyond the content length.
pub(crate) fn surplus(bytes: u64) -> String {
    format!("the program wrote {bytes} bytes more than its content length")
}

/// Writes one line about the request with this method and target.
pub(crate) fn write_line(error_log: &ErrorStream, method: &str, target: &str, what: &dyn fmt::Display) {
    // Writing to an error stream never fails.
    let _ = writeln!(error_log.clone(), "{method} {target}: {what}");
}
