//! What the log says of a request.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, StatusCode, Uri, Version};

use crate::cgi::error_stream::escape;

/// How the answer to a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// All of it was handed to the connection.
    Done,
    /// It was cut by this side: the service failed, or a limit was reached, or the server stopped.
    Cut,
    /// The client went away before it had all.
    Gone,
}

/// What the log says of a request. Its text is one line, without control characters.
///
/// Of a request that a front server sent and that was refused it says what is known: a method or a target that did not
/// come, or is none, is `-`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AccessRecord {
    /// The client's address, if it is known: one on a Unix socket has none.
    pub remote: Option<SocketAddr>,
    /// The request's method.
    pub method: Method,
    /// The request's target, as it was sent. What no URI can hold, and a front server has taken, is percent-encoded.
    pub uri: Uri,
    /// The request's protocol.
    pub version: Version,
    /// The status of the answer, if there was one.
    pub status: Option<StatusCode>,
    /// The bytes of the answer's body.
    pub bytes: u64,
    /// From the request's head to the end of the answer.
    pub time: Duration,
    /// How it ended.
    pub end: End,
}

impl fmt::Display for AccessRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AccessRecord { remote, method, uri, version, status, bytes, time, end } = self;
        let target = uri.path_and_query().map_or_else(|| uri.to_string(), |target| target.to_string());
        match remote {
            Some(remote) => write!(f, "{}", remote.ip().to_canonical())?,
            None => f.write_str("-")?,
        }
        write!(f, " {method} {} {version:?} ", escape(target.as_bytes()))?;
        match status {
            Some(status) => write!(f, "{}", status.as_u16())?,
            None => f.write_str("-")?,
        }
        write!(f, " {bytes} {:.1}ms {end}", time.as_secs_f64() * 1000.0)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            End::Done => "done",
            End::Cut => "cut",
            End::Gone => "gone",
        })
    }
}
