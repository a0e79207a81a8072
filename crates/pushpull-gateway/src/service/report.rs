//! What the log is told of a request that failed on this side.

use std::fmt;
use std::io::Write;

#[cfg(all(feature = "script", target_os = "linux"))]
use http::Response;

use crate::cgi::environ::Environ;
use crate::cgi::error_stream::ErrorStream;
#[cfg(all(feature = "script", target_os = "linux"))]
use crate::cgi::refusal::Refusal;

/// Where it goes, and which request it is about.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) env: Environ,
    pub(crate) error_log: ErrorStream,
}

impl Report {
    /// The response, or what the client is told in its place: failures on this side are reported.
    #[cfg(all(feature = "script", target_os = "linux"))]
    pub(crate) fn answer<B: From<String>>(&self, result: Result<Response<B>, Refusal>) -> Response<B> {
        result.unwrap_or_else(|refusal| {
            if refusal.status().is_server_error() {
                self.failure(&refusal);
            }
            refusal.into_response()
        })
    }

    /// One line.
    pub(crate) fn failure(&self, what: &dyn fmt::Display) {
        let text = |name| String::from_utf8_lossy(self.env.get(name).unwrap_or_default());
        tell(&self.error_log, &text("REQUEST_METHOD"), &text("REQUEST_URI"), what);
    }
}

/// What is told of bytes that nobody gets.
pub(crate) fn surplus(bytes: u64) -> String {
    format!("the program wrote {bytes} bytes more than its content length")
}

/// One line about the request with this method and target.
pub(crate) fn tell(error_log: &ErrorStream, method: &str, target: &str, what: &dyn fmt::Display) {
    // An error stream takes everything.
    let _ = writeln!(error_log.clone(), "{method} {target}: {what}");
}
