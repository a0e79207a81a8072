//! The errors of bytes that are not valid records.

use std::fmt;
use std::io;

/// Why bytes are not valid FastCGI records or pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// A record has this version of the protocol instead of 1.
    Version(u8),
    /// A record of a type with fixed content has another length.
    Length {
        /// The record's type.
        kind: u8,
        /// The length in its header.
        length: u16,
        /// The length that the type requires.
        expected: u16,
    },
    /// A request has the id 0, which is reserved for the connection.
    ZeroId,
    /// The bytes ended within a record.
    CutRecord,
    /// The bytes ended within a name or a value.
    CutPair,
    /// Names and values together exceed this limit.
    TooLong {
        /// The maximum number of bytes.
        limit: usize,
    },
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Version(version) => write!(f, "a record has version {version}: expected 1"),
            Malformed::Length { kind, length, expected } => {
                write!(f, "a record of type {kind} has {length} bytes: expected {expected}")
            }
            Malformed::ZeroId => f.write_str("a request was begun with the id 0"),
            Malformed::CutRecord => f.write_str("the connection ended within a record"),
            Malformed::CutPair => f.write_str("the parameters ended within a name or a value"),
            Malformed::TooLong { limit } => write!(f, "the parameters are longer than {limit} bytes"),
        }
    }
}

impl std::error::Error for Malformed {}

impl From<Malformed> for io::Error {
    fn from(error: Malformed) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}
