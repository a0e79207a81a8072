//! The response that the gateway sends in a program's place.

use std::fmt;
use std::io;
use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};

use super::head::HeadError;

/// The maximum of `Retry-After` in seconds: a day.
const MAX_RETRY: u128 = 24 * 3600;

/// The reason that a program does not answer its request, and the status that the client receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    reason: String,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// Creates a refusal. The reason of a 4xx is for the client, all other reasons are for the log.
    pub fn new(status: StatusCode, reason: impl Into<String>) -> Refusal {
        Refusal { status, reason: reason.into(), retry_after: None }
    }

    /// Sets the time after which the client may try again: `Retry-After` in whole seconds, minimum: 1 (default: none).
    #[must_use]
    pub fn retry_after(mut self, time: Duration) -> Refusal {
        self.retry_after = Some(time);
        self
    }

    pub(crate) fn bad_request(reason: &str) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, reason)
    }

    /// Returns the refusal for a program that failed before any of its response was sent.
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

    /// Returns the status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the response. For a 4xx its text contains the reason; all other reasons are for the log only.
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
        if let Some(time) = self.retry_after {
            fields.insert(RETRY_AFTER, HeaderValue::from(time.as_millis().div_ceil(1000).clamp(1, MAX_RETRY) as u64));
        }
        response.extensions_mut().insert(self);
        response.map(|_| B::from(text))
    }
}

/// Returns the status for a system error: 503 if threads, descriptors or memory are exhausted, 507 if storage is, and
/// 500 otherwise.
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

/// Returns `true` if the process or the system has no file descriptors left.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | WSAEMFILE))
}

/// The error of Windows for sockets. No Unix has an error of that number.
const WSAEMFILE: i32 = 10024;

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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn requirement_17_an_exhausted_resource_is_a_503_or_a_507() {
        let status = |code| status_of(&io::Error::from_raw_os_error(code)).as_u16();
        assert_eq!([libc::EMFILE, libc::ENFILE, libc::ENOMEM].map(status), [503; 3]);
        assert_eq!([libc::ENOSPC, libc::EDQUOT, libc::EFBIG].map(status), [507; 3]);
        assert_eq!([libc::ENOENT, libc::EACCES, libc::EIO].map(status), [500; 3]);
    }
}
