//! An answer that the gateway gives in a program's place.

use std::fmt;
use std::io;

use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};

use super::head::HeadError;

/// Why a request is not answered by its program, and the status that says so to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    reason: String,
}

impl Refusal {
    /// Creates the answer with this status. The client is told a reason that is of its own making (4xx); the log, every one.
    pub fn new(status: StatusCode, reason: impl Into<String>) -> Refusal {
        Refusal { status, reason: reason.into() }
    }

    pub(crate) fn bad_request(reason: &str) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, reason)
    }

    /// What the client is told of a program that failed before anything of its answer was sent.
    pub(crate) fn of_failure(error: &io::Error) -> Refusal {
        let found = error.get_ref();
        if let Some(refusal) = found.and_then(|inner| inner.downcast_ref::<Refusal>()) {
            return refusal.clone();
        }
        let status = match found {
            Some(inner) if inner.is::<HeadError>() => StatusCode::BAD_GATEWAY,
            _ => status_of(error),
        };
        Refusal::new(status, error.to_string())
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the response that says so. It tells the client the status; the reason of a failure on this side is for the log.
    pub fn into_response<B: From<String>>(self) -> http::Response<B> {
        let text = if self.status.is_client_error() {
            format!("{}: {}\n", self.status, self.reason)
        } else {
            format!("{}\n", self.status)
        };
        let mut response = http::Response::new(B::from(String::new()));
        *response.status_mut() = self.status;
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        fields.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
        response.extensions_mut().insert(self);
        response.map(|_| B::from(text))
    }
}

/// Returns the status that says what the system has no more of: 503 for threads, descriptors and memory, 507 for space,
/// and 500 for everything else.
pub(crate) fn status_of(error: &io::Error) -> StatusCode {
    match error.kind() {
        io::ErrorKind::OutOfMemory => StatusCode::SERVICE_UNAVAILABLE,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StatusCode::INSUFFICIENT_STORAGE
        }
        _ if is_out_of_descriptors(error) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Returns `true` if the process, or the system, may open no more files.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.reason)
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirement_17_what_the_system_has_no_more_of_is_a_503_or_a_507() {
        let status = |code| status_of(&io::Error::from_raw_os_error(code)).as_u16();
        assert_eq!([libc::EMFILE, libc::ENFILE, libc::ENOMEM].map(status), [503; 3]);
        assert_eq!([libc::ENOSPC, libc::EDQUOT, libc::EFBIG].map(status), [507; 3]);
        assert_eq!([libc::ENOENT, libc::EACCES, libc::EIO].map(status), [500; 3]);
    }
}
