//! The address of a server: a TCP port or a Unix socket.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The address that a server listens on, or that an `Upstream` connects to.
///
/// As text it is `127.0.0.1:9000`, `localhost:9000` or `unix:/run/app.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host and port.
    Tcp(String),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// A text that is not an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadAddress(String);

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Address, BadAddress> {
        match text.strip_prefix("unix:") {
            Some("") => Err(BadAddress(text.to_owned())),
            Some(path) => Ok(Address::Unix(path.into())),
            None => {
                let is_tcp =
                    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
                if is_tcp { Ok(Address::Tcp(text.to_owned())) } else { Err(BadAddress(text.to_owned())) }
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => f.write_str(address),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid address {:?}: expected HOST:PORT or unix:PATH, with a port from 0 to 65535", self.0)
    }
}

impl std::error::Error for BadAddress {}

impl From<BadAddress> for std::io::Error {
    fn from(error: BadAddress) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::InvalidInput, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_parsed_and_formatted() {
        for text in ["127.0.0.1:80", "[::1]:80", "unix:/run/a.sock", "unix:a.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["", "nowhere", "unix:", "80", ":80", "a:", "a:http", "127.0.0.1:65536"] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}
