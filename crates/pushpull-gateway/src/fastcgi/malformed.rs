//! What is wrong with bytes that are no records.

use std::fmt;
use std::io;

/// Why bytes are no FastCGI records, or no names and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// A record is of this version of the protocol, which is not 1.
    Version(u8),
    /// A record of this type has to have as many bytes as this, and says that it has another number.
    Length {
        /// The record's type.
        kind: u8,
        /// What it says.
        length: u16,
        /// What it has to be.
        expected: u16,
    },
    /// A request is begun with the id 0, which stands for the connection itself.
    ZeroId,
    /// The bytes ended within a record.
    CutRecord,
    /// The bytes ended within a name or a value.
    CutPair,
    /// Names and values are longer together than this limit.
    TooLong {
        /// How many bytes there may be.
        limit: usize,
    },
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Version(version) => write!(f, "a record is of version {version} of the protocol, not of 1"),
            Malformed::Length { kind, length, expected } => {
                write!(f, "a record of type {kind} says that it has {length} bytes, where {expected} belong")
            }
            Malformed::ZeroId => f.write_str("a request is begun with the id 0"),
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
