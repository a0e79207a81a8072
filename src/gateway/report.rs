//! What the log is told of a request that failed on this side.

use std::fmt;
use std::io::Write;

use super::{Environ, ErrorStream};

/// Where it goes, and which request it is about.
#[derive(Debug, Clone)]
pub(super) struct Report {
    pub(super) env: Environ,
    pub(super) errors: ErrorStream,
}

impl Report {
    /// One line.
    pub(super) fn failure(&self, what: &dyn fmt::Display) {
        let text = |name| String::from_utf8_lossy(self.env.get(name).unwrap_or_default());
        // An error stream takes everything.
        let _ = writeln!(self.errors.clone(), "{} {}: {what}", text("REQUEST_METHOD"), text("REQUEST_URI"));
    }
}
