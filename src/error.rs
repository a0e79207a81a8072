//! The ways a bridge ends, other than by the program's own `Ok` or `Err`.

use std::any::Any;
use std::error;
use std::fmt;
use std::io;

use parking_lot::Mutex;

use crate::runtime::contained::contained;
use crate::runtime::unwind::Stop;

/// The reason why a bridge ended, if it was not the program's own error.
///
/// All functions of this crate report errors as [`io::Error`]. An error that the *program* returned arrives unchanged.
/// An error that the *bridge* found carries an `Error`, which [`Error::of`] returns:
///
/// | cause | kind | method |
/// |---|---|---|
/// | the program panicked | `Other` | [`is_panic`](Error::is_panic), [`into_panic`](Error::into_panic) |
/// | the writer was dropped without `finish()` | `UnexpectedEof` | [`is_truncated`](Error::is_truncated) |
/// | the other end is gone | `BrokenPipe` | [`is_disconnected`](Error::is_disconnected) |
/// | the pool was shut down | `ConnectionAborted` | [`is_shut_down`](Error::is_shut_down) |
/// | nothing arrived within the timeout | `TimedOut` | [`is_timed_out`](Error::is_timed_out) |
/// | the reader stalled | `TimedOut` | [`is_stalled`](Error::is_stalled) |
/// | the sink of [`drive`](crate::drive) failed | the sink's own | [`bytes_moved`](Error::bytes_moved) |
///
/// ```
/// use pushpull::{Error, Thread};
///
/// let mut chunks = Thread::new().pull(|_| panic!("out of ink"));
/// let error = chunks.next().unwrap().unwrap_err();
/// assert!(Error::of(&error).is_some_and(Error::is_panic));
/// assert_eq!(error.to_string(), "the program panicked: out of ink");
/// assert!(chunks.next().is_none());
/// ```
pub struct Error(Cause);

enum Cause {
    /// Locked only because `io::Error` must be `Sync`, and a payload is not.
    Panic(Mutex<Box<dyn Any + Send>>),
    Truncated,
    Disconnected,
    ShutDown,
    TimedOut,
    Stalled,
    Sink {
        moved: u64,
        source: io::Error,
    },
}

impl Error {
    /// Returns the `Error` inside an [`io::Error`], if a bridge made it.
    pub fn of(error: &io::Error) -> Option<&Error> {
        error.get_ref()?.downcast_ref()
    }

    /// Returns `true` if the program panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.0, Cause::Panic(_))
    }

    /// Returns `true` if the writer was dropped before it finished. What arrived is a beginning, not the whole.
    pub fn is_truncated(&self) -> bool {
        matches!(self.0, Cause::Truncated)
    }

    /// Returns `true` if the other end is gone or the bridge is closing.
    pub fn is_disconnected(&self) -> bool {
        matches!(self.0, Cause::Disconnected)
    }

    /// Returns `true` if the [`Pool`](crate::Pool) was shut down. Such a pool starts no programs, and has ended those
    /// that ran.
    pub fn is_shut_down(&self) -> bool {
        matches!(self.0, Cause::ShutDown)
    }

    /// Returns `true` if the timeout of [`next_timeout`](crate::Chunks::next_timeout) has passed. The bridge is
    /// unchanged.
    pub fn is_timed_out(&self) -> bool {
        matches!(self.0, Cause::TimedOut)
    }

    /// Returns `true` if the reader stalled: it pulled nothing while the program was blocked for the engine's
    /// [`stall_timeout`](crate::Thread::stall_timeout). The bridge has ended with this error.
    pub fn is_stalled(&self) -> bool {
        matches!(self.0, Cause::Stalled)
    }

    /// Returns how many bytes [`drive`](crate::drive) had written when its sink failed, or `None` for any other error.
    pub fn bytes_moved(&self) -> Option<u64> {
        match self.0 {
            Cause::Sink { moved, .. } => Some(moved),
            _ => None,
        }
    }

    /// Returns the payload of the program's panic, to inspect it or to throw it again with
    /// [`std::panic::resume_unwind`].
    ///
    /// ```
    /// use pushpull::{Error, Local};
    ///
    /// let mut chunks = Local::new().pull(|_| std::panic::panic_any(42));
    /// let error = chunks.next().unwrap().unwrap_err();
    /// let error: Box<Error> = error.into_inner().unwrap().downcast().unwrap();
    /// assert_eq!(*error.into_panic().downcast::<i32>().unwrap(), 42);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the error is not a panic. Check [`is_panic`](Error::is_panic) first, or use
    /// [`try_into_panic`](Error::try_into_panic).
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        self.try_into_panic().expect("`Error::into_panic` was called on an error that is not a panic")
    }

    /// Returns the payload of the program's panic, or the error itself if it is not a panic.
    ///
    /// # Errors
    ///
    /// Returns `self` if the error is not a panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Error> {
        match self.0 {
            Cause::Panic(payload) => Ok(payload.into_inner()),
            other => Err(Error(other)),
        }
    }

    /// Returns the error of a writer that was dropped before it finished, for a custom end of a bridge.
    ///
    /// ```
    /// use pushpull::Error;
    ///
    /// let error = Error::truncated();
    /// assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    /// assert!(Error::of(&error).is_some_and(Error::is_truncated));
    /// ```
    pub fn truncated() -> io::Error {
        Error(Cause::Truncated).into()
    }

    /// Returns the error of a call whose other end is gone, for a custom end of a bridge.
    ///
    /// ```
    /// use pushpull::Error;
    ///
    /// let error = Error::disconnected();
    /// assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    /// assert!(Error::of(&error).is_some_and(Error::is_disconnected));
    /// ```
    pub fn disconnected() -> io::Error {
        Error(Cause::Disconnected).into()
    }

    /// Returns the error of a program that panicked with `payload`, for code that catches a program's panic itself.
    ///
    /// If the payload is that of a program unwound for ignoring its closed bridge, the error is a disconnection, not a
    /// panic.
    ///
    /// ```
    /// use pushpull::Error;
    ///
    /// let payload = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new("out of ink"))).unwrap_err();
    /// let error = Error::panicked(payload);
    /// assert_eq!(error.to_string(), "the program panicked: out of ink");
    /// ```
    pub fn panicked(payload: Box<dyn Any + Send>) -> io::Error {
        if payload.is::<Stop>() {
            return Error::disconnected();
        }
        Error(Cause::Panic(Mutex::new(payload))).into()
    }

    pub(crate) fn shut_down() -> io::Error {
        Error(Cause::ShutDown).into()
    }

    pub(crate) fn timed_out() -> io::Error {
        Error(Cause::TimedOut).into()
    }

    pub(crate) fn stalled() -> io::Error {
        Error(Cause::Stalled).into()
    }

    pub(crate) fn sink(moved: u64, source: io::Error) -> io::Error {
        Error(Cause::Sink { moved, source }).into()
    }
}

impl From<Error> for io::Error {
    #[inline]
    fn from(error: Error) -> io::Error {
        let kind = match &error.0 {
            Cause::Panic(_) => io::ErrorKind::Other,
            Cause::Truncated => io::ErrorKind::UnexpectedEof,
            Cause::Disconnected => io::ErrorKind::BrokenPipe,
            Cause::ShutDown => io::ErrorKind::ConnectionAborted,
            Cause::TimedOut | Cause::Stalled => io::ErrorKind::TimedOut,
            Cause::Sink { source, .. } => source.kind(),
        };
        // Boxed here, where the type is known, since dropping a bridge half way makes one of these errors.
        let error: Box<dyn error::Error + Send + Sync> = Box::new(error);
        io::Error::new(kind, error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Panic(payload) => {
                f.write_str("the program panicked")?;
                match message(&**payload.lock()) {
                    Some(text) => write!(f, ": {text}"),
                    None => Ok(()),
                }
            }
            Cause::Truncated => f.write_str("the writing end was dropped before it finished"),
            Cause::Disconnected => f.write_str("the other end of the bridge is gone"),
            Cause::ShutDown => f.write_str("the pool was shut down"),
            Cause::TimedOut => f.write_str("nothing was written within the timeout"),
            Cause::Stalled => f.write_str("nothing was pulled within the stall timeout"),
            Cause::Sink { moved, source } => {
                write!(f, "the sink failed after {moved} bytes: {source}")
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Panic(payload) => f.debug_tuple("Panic").field(&message(&**payload.lock())).finish(),
            Cause::Truncated => f.write_str("Truncated"),
            Cause::Disconnected => f.write_str("Disconnected"),
            Cause::ShutDown => f.write_str("ShutDown"),
            Cause::TimedOut => f.write_str("TimedOut"),
            Cause::Stalled => f.write_str("Stalled"),
            Cause::Sink { moved, source } => {
                f.debug_struct("Sink").field("moved", moved).field("source", source).finish()
            }
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match &self.0 {
            Cause::Sink { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Returns the message of a panic, if its payload is text.
fn message(payload: &(dyn Any + Send)) -> Option<&str> {
    payload.downcast_ref::<&'static str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// The kind and text of an error that was reported, to fail again in the same way.
#[derive(Debug, Clone)]
pub(crate) struct Echo {
    kind: io::ErrorKind,
    reason: Box<str>,
}

impl Echo {
    pub(crate) fn of(error: &io::Error) -> Echo {
        let mut reason = None;
        // The error may be of the program's own type, whose `to_string` may panic.
        contained(|| reason = Some(error.to_string()));
        let reason = reason.unwrap_or_else(|| error.kind().to_string());
        Echo { kind: error.kind(), reason: reason.into() }
    }

    pub(crate) fn error(&self) -> io::Error {
        io::Error::new(self.kind, &*self.reason)
    }
}

/// Replaces an `Interrupted` error by another (law 15), since a reader retries after `Interrupted` and would do so
/// forever.
pub(crate) fn uninterrupted(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Interrupted => io::Error::other(error),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_error_keeps_its_kind_and_source() {
        let error = Error::sink(7, io::Error::new(io::ErrorKind::StorageFull, "no room"));
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(error.to_string(), "the sink failed after 7 bytes: no room");
        let found = Error::of(&error).unwrap();
        assert_eq!(found.bytes_moved(), Some(7));
        assert!(error::Error::source(found).is_some());
    }

    #[test]
    fn an_error_that_is_not_a_panic_has_no_payload() {
        let error = Error::truncated();
        let error: Box<Error> = error.into_inner().unwrap().downcast().unwrap();
        assert!(error.try_into_panic().unwrap_err().is_truncated());
    }

    #[test]
    fn an_echo_fails_in_the_same_way() {
        let echo = Echo::of(&Error::truncated());
        assert_eq!(echo.error().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(echo.error().to_string(), Error::truncated().to_string());
    }
}
