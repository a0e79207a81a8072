//! The header of the PROXY protocol, version 1 or 2, with which a proxy begins a connection. The parser does no I/O and
//! is bounded. The numbers are those of the specification's sections.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::cgi::request::Connection;

/// The maximum length of a header in bytes. Version 1 never needs more than 107.
pub(super) const MAX_HEADER: usize = 4096;

const MAX_LINE: usize = 107;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The length of the fixed part of version 2.
const FIXED: usize = 16;

/// The extension about the client's TLS connection, and its flag for a client that uses TLS (2.2.6).
const SSL: u8 = 0x20;
const CLIENT_SSL: u8 = 1;

/// A complete header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The length of the header in bytes.
    pub(super) length: usize,
    /// The client's connection, or `None` if the connection is the proxy's own, or of an unknown kind.
    pub(super) ends: Option<Connection>,
}

/// Why bytes are not a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadHeader {
    None,
    Cut,
    TooLong,
    Line,
    Version,
    Command,
    Family,
    Addresses,
    Extensions,
}

impl fmt::Display for BadHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadHeader::None => "the connection does not begin with a PROXY header",
            BadHeader::Cut => "the connection ended within the PROXY header",
            BadHeader::TooLong => "the PROXY header is too long",
            BadHeader::Line => "the line of the PROXY header is invalid",
            BadHeader::Version => "the PROXY header has an unknown version",
            BadHeader::Command => "the PROXY header has an unknown command",
            BadHeader::Family => "the PROXY header has an unknown address family",
            BadHeader::Addresses => "the PROXY header is too short for its addresses",
            BadHeader::Extensions => "an extension of the PROXY header is longer than the header",
        })
    }
}

/// Returns the header at the beginning of a connection, if it is complete.
pub(super) fn header(bytes: &[u8]) -> Result<Option<Header>, BadHeader> {
    let begins = |with: &[u8]| with.iter().zip(bytes).all(|(expected, byte)| expected == byte);
    match () {
        () if begins(SIGNATURE) => binary(bytes),
        () if begins(b"PROXY ") => line(bytes),
        () => Err(BadHeader::None),
    }
}

/// Version 1: a line (2.1).
fn line(bytes: &[u8]) -> Result<Option<Header>, BadHeader> {
    let seen = &bytes[..bytes.len().min(MAX_LINE)];
    let Some(end) = seen.windows(2).position(|window| window == b"\r\n") else {
        return if bytes.len() < MAX_LINE { Ok(None) } else { Err(BadHeader::TooLong) };
    };
    let text = std::str::from_utf8(&seen[..end]).map_err(|_| BadHeader::Line)?;
    let mut words = text.split(' ').skip(1);
    let ends = match words.next() {
        // Whatever follows is ignored.
        Some("UNKNOWN") => None,
        Some("TCP4") => Some(ends::<Ipv4Addr>(&mut words)?),
        Some("TCP6") => Some(ends::<Ipv6Addr>(&mut words)?),
        _ => return Err(BadHeader::Line),
    };
    if ends.is_some() && words.next().is_some() {
        return Err(BadHeader::Line);
    }
    Ok(Some(Header { length: end + 2, ends }))
}

/// Parses two addresses and two ports.
fn ends<'a, A: FromStr + Into<IpAddr>>(words: &mut impl Iterator<Item = &'a str>) -> Result<Connection, BadHeader> {
    let address = |word: Option<&str>| Some(word?.parse::<A>().ok()?.into());
    let port = |word: Option<&str>| {
        let word = word?;
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
        word.parse().ok().filter(|_: &u16| is_number)
    };
    let addresses = address(words.next()).zip(address(words.next()));
    let ports = port(words.next()).zip(port(words.next()));
    let ((source, target), (source_port, target_port)) = addresses.zip(ports).ok_or(BadHeader::Line)?;
    Ok(Connection::new(SocketAddr::new(source, source_port), SocketAddr::new(target, target_port)))
}

/// Version 2: a binary header (2.2).
fn binary(bytes: &[u8]) -> Result<Option<Header>, BadHeader> {
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED) else { return Ok(None) };
    if fixed[12] >> 4 != 2 {
        return Err(BadHeader::Version);
    }
    let is_local = match fixed[12] & 0xf {
        0 => true,
        1 => false,
        _ => return Err(BadHeader::Command),
    };
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if FIXED + length > MAX_HEADER {
        return Err(BadHeader::TooLong);
    }
    let Some(rest) = rest.get(..length) else { return Ok(None) };
    let header = |ends| Ok(Some(Header { length: FIXED + length, ends }));
    if is_local {
        return header(None);
    }
    let (family, transport) = (fixed[13] >> 4, fixed[13] & 0xf);
    let size = match family {
        _ if transport > 2 => return Err(BadHeader::Family),
        0 => 0,
        1 => 12,
        2 => 36,
        3 => 216,
        _ => return Err(BadHeader::Family),
    };
    let (addresses, extensions) = rest.split_at_checked(size).ok_or(BadHeader::Addresses)?;
    let is_secure = is_secure(extensions)?;
    let ends = match family {
        1 => pair(addresses, |octets: [u8; 4]| octets.into()),
        2 => pair(addresses, |octets: [u8; 16]| octets.into()),
        // Unix sockets, and unknown kinds.
        _ => None,
    };
    // A datagram is no connection that could lead here.
    header(ends.filter(|_| transport == 1).map(|ends| ends.with_secure(is_secure)))
}

/// Reads two addresses of `N` bytes and two ports.
fn pair<const N: usize>(bytes: &[u8], address: fn([u8; N]) -> IpAddr) -> Option<Connection> {
    let (source, rest) = bytes.split_first_chunk::<N>()?;
    let (target, ports) = rest.split_first_chunk::<N>()?;
    let &[a, b, c, d] = ports else { return None };
    let end = |octets: &[u8; N], port| SocketAddr::new(address(*octets), u16::from_be_bytes(port));
    Some(Connection::new(end(source, [a, b]), end(target, [c, d])))
}

/// Skips all extensions, except that about TLS.
fn is_secure(mut extensions: &[u8]) -> Result<bool, BadHeader> {
    let mut is_secure = false;
    while !extensions.is_empty() {
        let ([kind, high, low], rest) = extensions.split_first_chunk::<3>().ok_or(BadHeader::Extensions)?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = rest.split_at_checked(length).ok_or(BadHeader::Extensions)?;
        is_secure |= *kind == SSL && value.first().is_some_and(|flags| flags & CLIENT_SSL != 0);
        extensions = rest;
    }
    Ok(is_secure)
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn connection(remote: &str, local: &str) -> Connection {
        Connection::new(remote.parse().unwrap(), local.parse().unwrap())
    }

    /// Makes a header of version 2 with an address family and what follows the fixed part.
    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    const V4: &[u8] = &[192, 0, 2, 1, 192, 0, 2, 2, 1, 2, 0, 80];

    /// A header is followed by the bytes of the client, and may arrive in pieces.
    fn check(bytes: &[u8], ends: Option<Connection>) {
        for at in 0..bytes.len() {
            assert_eq!(header(&bytes[..at]), Ok(None), "{} cut at {at}", bytes.escape_ascii());
        }
        let followed = [bytes, b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(header(&followed), Ok(Some(Header { length: bytes.len(), ends })), "{}", bytes.escape_ascii());
    }

    #[test]
    fn section_2_1_a_line_names_both_ends() {
        let v4 = connection("192.0.2.1:258", "192.0.2.2:80");
        check(b"PROXY TCP4 192.0.2.1 192.0.2.2 258 80\r\n", Some(v4));
        check(b"PROXY TCP6 2001:db8::1 ::1 65535 0\r\n", Some(connection("[2001:db8::1]:65535", "[::1]:0")));
        let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let text = format!("PROXY UNKNOWN {longest} {longest} 65535 65535\r\n");
        assert_eq!(text.len(), MAX_LINE);
        check(text.as_bytes(), None);
        check(b"PROXY UNKNOWN\r\n", None);
    }

    #[test]
    fn section_2_1_other_lines_are_refused() {
        for text in [
            "PROXY TCP4 192.0.2.1 192.0.2.2 258\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 258 80 x\r\n",
            "PROXY  TCP4 192.0.2.1 192.0.2.2 258 80\r\n",
            "PROXY TCP4 192.0.2.1  192.0.2.2 258 80\r\n",
            "PROXY TCP4 ::1 ::1 258 80\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.2 258 80\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 258 65536\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 0258 80\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +258 80\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 258 80\n\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 258 80\r\n",
            "PROXY tcp4 192.0.2.1 192.0.2.2 258 80\r\n",
            "PROXY \r\n",
        ] {
            assert_eq!(header(text.as_bytes()), Err(BadHeader::Line), "{text:?}");
        }
        let long = format!("PROXY UNKNOWN {}", "x".repeat(93));
        assert_eq!((long.len(), header(long.as_bytes())), (MAX_LINE, Err(BadHeader::TooLong)));
        for text in ["GET / HTTP/1.1\r\n", "PROXYX", "proxy ", "\r\n\r\nX"] {
            assert_eq!(header(text.as_bytes()), Err(BadHeader::None), "{text:?}");
        }
    }

    #[test]
    fn section_2_2_a_binary_header_names_both_ends() {
        let ends = connection("192.0.2.1:258", "192.0.2.2:80");
        check(&v2(0x21, 0x11, V4), Some(ends));
        let address: [u8; 16] = "2001:db8::1".parse::<Ipv6Addr>().unwrap().octets();
        let v6 = [&address[..], &address, &[0, 7, 0, 8]].concat();
        check(&v2(0x21, 0x21, &v6), Some(connection("[2001:db8::1]:7", "[2001:db8::1]:8")));
        check(&v2(0x21, 0x31, &[b'x'; 216]), None);
        // Unspecified, and datagrams.
        check(&v2(0x21, 0x00, b""), None);
        check(&v2(0x21, 0x12, V4), None);
    }

    #[test]
    fn section_2_2_a_local_connection_has_the_ends_of_the_socket() {
        check(&v2(0x20, 0x00, b""), None);
        // Addresses and extensions are ignored.
        check(&v2(0x20, 0x11, V4), None);
        check(&v2(0x20, 0xff, b"x"), None);
    }

    #[test]
    fn section_2_2_other_binary_headers_are_refused() {
        for (command, family, rest, bad) in [
            (0x11, 0x11, V4, BadHeader::Version),
            (0x31, 0x11, V4, BadHeader::Version),
            (0x22, 0x11, V4, BadHeader::Command),
            (0x21, 0x41, V4, BadHeader::Family),
            (0x21, 0x13, V4, BadHeader::Family),
            (0x21, 0x11, &V4[..11], BadHeader::Addresses),
            (0x21, 0x21, V4, BadHeader::Addresses),
            (0x21, 0x31, V4, BadHeader::Addresses),
            (0x21, 0x11, &[0; MAX_HEADER - FIXED + 1], BadHeader::TooLong),
        ] {
            assert_eq!(header(&v2(command, family, rest)), Err(bad), "{command:x} {family:x}");
        }
    }

    #[test]
    fn section_2_2_extensions_are_skipped_except_that_about_tls() {
        let ends = connection("192.0.2.1:258", "192.0.2.2:80");
        let with = |extensions: &[u8]| v2(0x21, 0x11, &[V4, extensions].concat());
        // A length of 0, an unknown kind, and one that fills the header.
        check(&with(b"\x04\0\0\xee\0\x03abc"), Some(ends));
        check(&with(b"\x20\0\x05\x01\0\0\0\0\x04\0\x01x"), Some(ends.with_secure(true)));
        check(&with(b"\x20\0\x05\x02\0\0\0\0"), Some(ends));
        for bad in [&b"\x04"[..], b"\x04\0", b"\x04\0\x01", b"\x04\0\x02a", b"\x04\0\0\x04\xff\xffa"] {
            assert_eq!(header(&with(bad)), Err(BadHeader::Extensions), "{}", bad.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn requirement_24_no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = header(&bytes);
            let _ = header(&[&SIGNATURE[..], &bytes].concat());
            let _ = header(&[b"PROXY TCP4 ", &bytes[..]].concat());
        }
    }
}
