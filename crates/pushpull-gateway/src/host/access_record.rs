//! The log record of a request.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, StatusCode, Uri, Version};

use crate::cgi::error_stream::escape;

/// How a response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// All of it was handed to the connection.
    Done,
    /// The server cut it: the service failed, a limit was reached, or the server stopped.
    Cut,
    /// The client disconnected before it had received all.
    Gone,
}

/// Why a server cut a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CutReason {
    /// The service or its program failed, or reached a limit. The error log says which.
    Service,
    /// The client read nothing for too long.
    Stalled,
    /// The server stopped.
    Stopped,
}

/// The log record of a request. `Display` writes it as one line without control characters.
///
/// If a front server's request is refused, an unknown method or target is written as `-`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AccessRecord {
    /// The client's address, or `None` on a Unix socket.
    pub remote: Option<SocketAddr>,
    /// The method.
    pub method: Method,
    /// The target as it was sent. Bytes that a front server accepted but a URI cannot hold are percent-encoded.
    pub uri: Uri,
    /// The protocol version.
    pub version: Version,
    /// The status of the response, if there was one.
    pub status: Option<StatusCode>,
    /// The number of bytes of the response body.
    pub bytes: u64,
    /// The time from the head of the request to the end of the response.
    pub time: Duration,
    /// How the response ended.
    pub end: End,
    /// Why it was cut, if it was.
    pub cut: Option<CutReason>,
}

impl fmt::Display for AccessRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AccessRecord { remote, method, uri, version, status, bytes, time, end, cut: _ } = self;
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
