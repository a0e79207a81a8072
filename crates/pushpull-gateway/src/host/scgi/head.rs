//! The head of an SCGI request: a netstring of names and values, each ended by a NUL. The parser does no I/O and is
//! bounded.

use std::collections::HashSet;
use std::fmt;

use crate::cgi::head::content_length;

/// The maximum size of a head, in bytes. A program could hardly be started with more.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// A name and its value.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// A complete head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub(super) pairs: Vec<Pair<'a>>,
    /// The length of the head in bytes, including the netstring's framing.
    pub(super) length: usize,
    /// The length of the body in bytes.
    pub(super) body: u64,
}

/// Why bytes are not a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadHead {
    NoNetstring,
    TooLong,
    NoComma,
    Unpaired,
    Unnamed,
    NoLength,
    NoVersion,
    Repeated,
}

impl fmt::Display for BadHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadHead::NoNetstring => "the request does not begin with a netstring",
            BadHead::TooLong => "the request's parameters are longer than 65536 bytes",
            BadHead::NoComma => "the netstring does not end with a comma",
            BadHead::Unpaired => "a name or value does not end with a NUL",
            BadHead::Unnamed => "a parameter has no name",
            BadHead::NoLength => "the first parameter is not CONTENT_LENGTH with a number",
            BadHead::NoVersion => "the parameter SCGI is missing or not 1",
            BadHead::Repeated => "a parameter is repeated",
        })
    }
}

/// Returns the head at the beginning of a request, if it is complete.
pub(super) fn head(bytes: &[u8]) -> Result<Option<Head<'_>>, BadHead> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let has_zero = digits > 1 && bytes[0] == b'0';
    match bytes.get(digits) {
        _ if digits > 9 || has_zero => return Err(BadHead::NoNetstring),
        None => return Ok(None),
        Some(b':') if digits > 0 => {}
        Some(_) => return Err(BadHead::NoNetstring),
    }
    let length = bytes[..digits].iter().fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    if length > MAX_HEAD {
        return Err(BadHead::TooLong);
    }
    let text = &bytes[digits + 1..];
    match text.get(length) {
        None => Ok(None),
        Some(b',') => {
            let (pairs, body) = pairs(&text[..length])?;
            Ok(Some(Head { pairs, length: digits + 1 + length + 1, body }))
        }
        Some(_) => Err(BadHead::NoComma),
    }
}

/// Returns the pairs, and the length of the body that the first pair declares.
fn pairs(text: &[u8]) -> Result<(Vec<Pair<'_>>, u64), BadHead> {
    let text = match text {
        [] => return Err(BadHead::NoLength),
        [text @ .., 0] => text,
        _ => return Err(BadHead::Unpaired),
    };
    let (mut found, mut names) = (Vec::new(), HashSet::new());
    let mut parts = text.split(|byte| *byte == 0);
    while let Some(name) = parts.next() {
        let value = parts.next().ok_or(BadHead::Unpaired)?;
        if name.is_empty() {
            return Err(BadHead::Unnamed);
        }
        if !names.insert(name) {
            return Err(BadHead::Repeated);
        }
        found.push((name, value));
    }
    let first = found.first().filter(|(name, _)| *name == b"CONTENT_LENGTH");
    let body = first.and_then(|(_, value)| content_length(value)).ok_or(BadHead::NoLength)?;
    if !found.contains(&(b"SCGI", b"1")) {
        return Err(BadHead::NoVersion);
    }
    Ok((found, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn netstring(text: &str) -> String {
        format!("{}:{text},", text.len())
    }

    /// The example of the specification.
    const SAMPLE: &str = "CONTENT_LENGTH\x0027\0SCGI\x001\0REQUEST_METHOD\0POST\0REQUEST_URI\0/deepthought\0";

    #[test]
    fn requirement_22_a_head_is_read() {
        let text = netstring(SAMPLE) + "What is the answer to life?";
        let head = head(text.as_bytes()).unwrap().unwrap();
        assert!(text.starts_with("70:"));
        assert_eq!((head.length, head.body), (74, 27));
        assert_eq!(head.pairs[0], (&b"CONTENT_LENGTH"[..], &b"27"[..]));
        assert_eq!(head.pairs[3], (&b"REQUEST_URI"[..], &b"/deepthought"[..]));
    }

    #[test]
    fn requirement_24_every_truncation_waits_for_more() {
        let text = netstring(SAMPLE);
        for at in 0..text.len() {
            assert_eq!(head(&text.as_bytes()[..at]), Ok(None), "cut at {at}");
        }
    }

    #[test]
    fn requirement_22_invalid_heads_are_reported() {
        let first = "CONTENT_LENGTH\x000\0";
        let cases = [
            ("GET / HTTP/1.1".to_owned(), BadHead::NoNetstring),
            (":".to_owned(), BadHead::NoNetstring),
            ("01:".to_owned(), BadHead::NoNetstring),
            ("9999999999".to_owned(), BadHead::NoNetstring),
            ("65537:".to_owned(), BadHead::TooLong),
            ("3:ab\0;".to_owned(), BadHead::NoComma),
            (netstring(""), BadHead::NoLength),
            (netstring("CONTENT_LENGTH\x000"), BadHead::Unpaired),
            (netstring("CONTENT_LENGTH\x000\0SCGI\0"), BadHead::Unpaired),
            (netstring("SCGI\x001\0CONTENT_LENGTH\x000\0"), BadHead::NoLength),
            (netstring("CONTENT_LENGTH\0\0SCGI\x001\0"), BadHead::NoLength),
            (netstring("CONTENT_LENGTH\0-1\0SCGI\x001\0"), BadHead::NoLength),
            (netstring("CONTENT_LENGTH\0+1\0SCGI\x001\0"), BadHead::NoLength),
            (netstring("CONTENT_LENGTH\x0099999999999999999999\0SCGI\x001\0"), BadHead::NoLength),
            (netstring(first), BadHead::NoVersion),
            (netstring(&format!("{first}SCGI\x002\0")), BadHead::NoVersion),
            (netstring(&format!("{first}SCGI\x001\0A\x00b\0A\x00b\0")), BadHead::Repeated),
            (netstring(&format!("{first}SCGI\x001\0\x00b\0")), BadHead::Unnamed),
        ];
        for (text, bad) in cases {
            assert_eq!(head(text.as_bytes()), Err(bad), "{text:?}");
        }
        assert!(head(netstring(&format!("{first}SCGI\x001\0")).as_bytes()).unwrap().is_some());
    }

    proptest! {
        #[test]
        fn requirement_24_no_input_panics(
            bytes in proptest::collection::vec(prop_oneof![Just(0_u8), b'0'..=b':', any::<u8>()], 0..200),
        ) {
            let _ = head(&bytes);
            let text = [format!("{}:", bytes.len()).as_bytes(), &bytes, b","].concat();
            let _ = head(&text);
        }
    }
}
