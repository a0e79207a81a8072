//! The error for numbers that the specification does not define.

use std::fmt;
use std::io;

/// A number that is no type of record, stream, role or status of FastCGI 1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownNumber {
    what: &'static str,
    number: u16,
}

impl UnknownNumber {
    pub(super) fn new(what: &'static str, number: impl Into<u16>) -> UnknownNumber {
        UnknownNumber { what, number: number.into() }
    }

    /// Returns the number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

impl fmt::Display for UnknownNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {}: {}", self.what, self.number)
    }
}

impl std::error::Error for UnknownNumber {}

impl From<UnknownNumber> for io::Error {
    fn from(error: UnknownNumber) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}
