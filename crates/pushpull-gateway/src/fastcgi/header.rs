//! The eight bytes in front of each record (3.3), and the numbers of the protocol.

use super::malformed::Malformed;
use super::unknown::UnknownNumber;

/// The version of the protocol.
const VERSION: u8 = 1;

/// The header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The type of the record: see [`Kind`]. Other numbers are possible.
    pub kind: u8,
    /// The request id, or 0 for the connection.
    pub id: u16,
    /// The length of the content in bytes.
    pub length: u16,
    /// The length of the padding after the content.
    pub padding: u8,
}

macro_rules! numbers {
    ($(#[$docs:meta])* $name:ident: $number:ty, $what:literal { $($(#[$variant_docs:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$docs])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr($number)]
        pub enum $name { $($(#[$variant_docs])* $variant = $value,)* }

        impl TryFrom<$number> for $name {
            type Error = UnknownNumber;

            fn try_from(number: $number) -> Result<$name, UnknownNumber> {
                match number {
                    $($value => Ok($name::$variant),)*
                    _ => Err(UnknownNumber::new($what, number)),
                }
            }
        }
    };
}

numbers! {
    /// The types of records (8).
    Kind: u8, "type of record" {
        /// Begins a request.
        BeginRequest = 1,
        /// Aborts a request: the host no longer wants the response.
        AbortRequest = 2,
        /// Ends a request, from the application.
        EndRequest = 3,
        /// Meta-variables, as name-value pairs.
        Params = 4,
        /// The body of the request.
        Stdin = 5,
        /// The response.
        Stdout = 6,
        /// Messages for the log.
        Stderr = 7,
        /// The second input stream of a filter.
        Data = 8,
        /// Queries variables of the application.
        GetValues = 9,
        /// The reply to `GetValues`.
        GetValuesResult = 10,
        /// The application does not know the type of a record.
        UnknownType = 11,
    }
}

numbers! {
    /// The streams (3.3): their records' contents are joined, and a record without content is the end.
    Stream: u8, "stream" {
        /// Meta-variables, as name-value pairs.
        Params = 4,
        /// The body of the request.
        Stdin = 5,
        /// The response.
        Stdout = 6,
        /// Messages for the log.
        Stderr = 7,
        /// The second input stream of a filter.
        Data = 8,
    }
}

numbers! {
    /// The role that a host asks an application for (6).
    Role: u16, "role" {
        /// Answers a request.
        Responder = 1,
        /// Decides whether a request is allowed.
        Authorizer = 2,
        /// Answers with a filtered file.
        Filter = 3,
    }
}

numbers! {
    /// How a request ended, as far as the protocol is concerned (5.5).
    ProtocolStatus: u8, "protocol status" {
        /// The request was completed.
        RequestComplete = 0,
        /// The application accepts one request at a time per connection.
        CantMpxConn = 1,
        /// The application has run out of a resource.
        Overloaded = 2,
        /// The application does not know the role.
        UnknownRole = 3,
    }
}

impl Header {
    /// The length of a header.
    pub const LEN: usize = 8;

    pub(super) const fn new(kind: Kind, id: u16, length: u16) -> Header {
        Header { kind: kind as u8, id, length, padding: 0 }
    }

    /// Parses a header.
    ///
    /// # Errors
    ///
    /// Returns an error if the version of the protocol is not 1.
    pub fn parse(bytes: [u8; Header::LEN]) -> Result<Header, Malformed> {
        let [version, kind, id1, id0, length1, length0, padding, _] = bytes;
        if version != VERSION {
            return Err(Malformed::Version(version));
        }
        let number = |high, low| u16::from_be_bytes([high, low]);
        Ok(Header { kind, id: number(id1, id0), length: number(length1, length0), padding })
    }

    /// Returns the header as bytes.
    pub const fn to_bytes(self) -> [u8; Header::LEN] {
        let [id1, id0] = self.id.to_be_bytes();
        let [length1, length0] = self.length.to_be_bytes();
        [VERSION, self.kind, id1, id0, length1, length0, self.padding, 0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_header_is_read_as_it_was_written(kind: u8, id: u16, length: u16, padding: u8) {
            let header = Header { kind, id, length, padding };
            prop_assert_eq!(Header::parse(header.to_bytes()), Ok(header));
        }
    }

    #[test]
    fn another_version_is_told() {
        assert_eq!(Header::parse([2, 1, 0, 1, 0, 0, 0, 0]), Err(Malformed::Version(2)));
    }

    #[test]
    fn numbers_are_those_of_the_specification() {
        assert_eq!(Kind::try_from(11), Ok(Kind::UnknownType));
        assert_eq!(Kind::try_from(0).unwrap_err().number(), 0);
        assert_eq!(Kind::try_from(12).unwrap_err().to_string(), "unknown type of record: 12");
        assert_eq!(Role::try_from(3), Ok(Role::Filter));
        assert_eq!(Role::try_from(1000).unwrap_err().number(), 1000);
        assert_eq!(ProtocolStatus::try_from(1), Ok(ProtocolStatus::CantMpxConn));
        assert_eq!(Stream::try_from(Kind::Stderr as u8), Ok(Stream::Stderr));
    }
}
