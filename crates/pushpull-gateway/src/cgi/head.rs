//! The head of a CGI response: a header block and the blank line that ends it (RFC 3875, section 6). Parsing is
//! bounded, and does no input or output.

use std::error;
use std::fmt;
use std::io;
use std::mem;

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, StatusCode};

/// The default maximum length of a head: 64 KiB.
pub const MAX_HEAD: usize = 64 * 1024;

/// The maximum number of different names in a head. `HeaderMap` holds somewhat more, which leaves room for the server's
/// own fields.
const MAX_NAMES: usize = 20_000;

/// Hop-by-hop fields (RFC 9110, 7.6.1), beside those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// The status and fields of a response, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status. Without a `Status` field it is 200, or 302 if there is a `Location` (RFC 3875, 6.2.3, 6.3.3).
    pub status: StatusCode,
    /// The fields, without `Status`, hop-by-hop fields and `X-CGI-*`.
    pub fields: HeaderMap,
    /// Whether the response is a local redirect: it has no status, and its `Location` is a path on the same server. The
    /// server answers with the resource at that path (RFC 3875, 6.2.2).
    pub is_local_redirect: bool,
}

/// The error for an invalid head.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// The head is longer than this number of bytes.
    TooLong(usize),
    /// The program ended before the blank line.
    Incomplete,
    /// No field precedes the blank line.
    NoField,
    /// The line with this number is not a field: it has no colon, its name is not a token, or a space precedes the
    /// colon.
    NotAField(usize),
    /// The line with this number continues the line before it, which RFC 3875 does not allow (6.3).
    Folded(usize),
    /// The value in this line contains a control byte, such as a lone CR or a NUL.
    BadValue(usize),
    /// This field may occur only once, and occurs again.
    Repeated(&'static str),
    /// The status is not a final status of three digits.
    BadStatus,
    /// The content length is not a number.
    BadLength,
    /// The fields have too many different names.
    TooManyNames,
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the program's response has no valid head: ")?;
        match self {
            HeadError::TooLong(max) => write!(f, "it is longer than {max} bytes"),
            HeadError::Incomplete => f.write_str("the program ended before the blank line that ends it"),
            HeadError::NoField => f.write_str("no field precedes the blank line"),
            HeadError::NotAField(line) => write!(f, "line {line} is not a field"),
            HeadError::Folded(line) => write!(f, "line {line} continues the line before it"),
            HeadError::BadValue(line) => write!(f, "line {line} contains a control character"),
            HeadError::Repeated(name) => write!(f, "{name} occurs more than once"),
            HeadError::BadStatus => f.write_str("the status is not a final status of three digits"),
            HeadError::BadLength => f.write_str("the content length is not a number"),
            HeadError::TooManyNames => f.write_str("its fields have too many different names"),
        }
    }
}

impl error::Error for HeadError {}

impl From<HeadError> for io::Error {
    fn from(error: HeadError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// A parser for the head of a response that arrives in pieces.
#[derive(Debug)]
pub struct HeadParser {
    seen: Vec<u8>,
    /// Where the first incomplete line begins.
    line: usize,
    max: usize,
}

/// The result of passing a piece of a response to a [`HeadParser`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fed {
    /// The head is incomplete, and all of the piece belongs to it.
    Wanting,
    /// The head is complete. It includes this number of bytes of the piece; the rest is the body.
    Complete(ResponseHead, usize),
}

impl HeadParser {
    /// Creates a parser for heads of up to `max` bytes.
    pub fn new(max: usize) -> HeadParser {
        HeadParser { seen: Vec::new(), line: 0, max }
    }

    /// Parses the next piece.
    ///
    /// # Errors
    ///
    /// Returns an error if the pieces cannot begin a valid head.
    pub fn feed(&mut self, piece: &[u8]) -> Result<Fed, HeadError> {
        let before = self.seen.len();
        // One byte over the maximum tells a long head from a head that just fits.
        let fits = piece.len().min(self.max.saturating_add(1).saturating_sub(before));
        self.seen.extend_from_slice(&piece[..fits]);
        let mut from = before;
        while let Some(newline) = self.seen[from..].iter().position(|byte| *byte == b'\n') {
            let end = from + newline;
            let empty = matches!(&self.seen[self.line..end], [] | [b'\r']);
            from = end + 1;
            if empty && from <= self.max {
                let seen = mem::take(&mut self.seen);
                return ResponseHead::parse(&seen[..self.line]).map(|head| Fed::Complete(head, from - before));
            }
            self.line = from;
        }
        if self.seen.len() > self.max { Err(HeadError::TooLong(self.max)) } else { Ok(Fed::Wanting) }
    }
}

impl ResponseHead {
    /// Parses a complete head, without the blank line that ends it.
    ///
    /// ```
    /// use pushpull_gateway::ResponseHead;
    ///
    /// let head = ResponseHead::parse(b"Content-Type: text/plain\r\nStatus: 404 Not Here\r\n")?;
    /// assert_eq!(head.status, 404);
    /// assert_eq!(head.fields["content-type"], "text/plain");
    /// # Ok::<(), pushpull_gateway::HeadError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if a line is not a field, or if the fields contradict each other: see [`HeadError`].
    pub fn parse(block: &[u8]) -> Result<ResponseHead, HeadError> {
        let mut fields = HeaderMap::new();
        let mut status = None;
        for (index, line) in block.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let (name, value) = field(line, index + 1)?;
            if name == "status" {
                if status.replace(parse_status(value.as_bytes())?).is_some() {
                    return Err(HeadError::Repeated("Status"));
                }
            } else {
                fields.try_append(name, value).map_err(|_| HeadError::TooManyNames)?;
            }
        }
        if fields.keys_len() > MAX_NAMES {
            return Err(HeadError::TooManyNames);
        }
        if fields.is_empty() && status.is_none() {
            return Err(HeadError::NoField);
        }
        for (name, text) in [(CONTENT_TYPE, "Content-Type"), (LOCATION, "Location")] {
            if fields.get_all(name).iter().nth(1).is_some() {
                return Err(HeadError::Repeated(text));
            }
        }
        check_length(&mut fields)?;
        strip(&mut fields);
        let place = fields.get(LOCATION).map(HeaderValue::as_bytes);
        let is_local_redirect = status.is_none() && place.is_some_and(is_local);
        let implied = if place.is_some() { StatusCode::FOUND } else { StatusCode::OK };
        let status = status.unwrap_or(implied);
        set_no_length(status, &mut fields);
        Ok(ResponseHead { status, fields, is_local_redirect })
    }

    /// Writes the head as the beginning of a CGI response, with the blank line.
    pub fn write(&self, into: &mut Vec<u8>) {
        if !self.is_local_redirect {
            into.extend_from_slice(b"Status: ");
            into.extend_from_slice(self.status.as_str().as_bytes());
            into.push(b' ');
            into.extend_from_slice(self.status.canonical_reason().unwrap_or("Unknown").as_bytes());
            into.extend_from_slice(b"\r\n");
        }
        for (name, value) in &self.fields {
            into.extend_from_slice(name.as_str().as_bytes());
            into.extend_from_slice(b": ");
            into.extend_from_slice(value.as_bytes());
            into.extend_from_slice(b"\r\n");
        }
        into.extend_from_slice(b"\r\n");
    }

    /// Sets `Content-Type: application/octet-stream` if there is no `Content-Type` (RFC 9110, 8.3).
    pub(crate) fn set_unknown_type(&mut self) {
        self.fields.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
    }

    /// Returns the `Content-Length` that the program set.
    pub(crate) fn length(&self) -> Option<u64> {
        content_length(self.fields.get(CONTENT_LENGTH)?.as_bytes())
    }
}

/// Parses a content length: digits and nothing else (RFC 3875, 4.1.2; RFC 9110, 8.6).
pub(crate) fn content_length(digits: &[u8]) -> Option<u64> {
    // `parse` accepts a sign.
    let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Returns `true` if a response with this status has no content (RFC 9110, 6.4.1 and 15.3.6).
pub(crate) fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Corrects the length of a response without content: `Content-Length: 0` for a 205 (RFC 9110, 15.3.6), none otherwise.
pub(crate) fn set_no_length(status: StatusCode, fields: &mut HeaderMap) {
    if status == StatusCode::RESET_CONTENT {
        fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    } else if has_no_body(status) {
        fields.remove(CONTENT_LENGTH);
    }
}

fn field(line: &[u8], number: usize) -> Result<(HeaderName, HeaderValue), HeadError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err(HeadError::Folded(number));
    }
    let colon = line.iter().position(|byte| *byte == b':').ok_or(HeadError::NotAField(number))?;
    // A name is a token, so a space before the colon is an error.
    let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| HeadError::NotAField(number))?;
    let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).map_err(|_| HeadError::BadValue(number))?;
    Ok((name, value))
}

fn parse_status(value: &[u8]) -> Result<StatusCode, HeadError> {
    let (code, reason) = value.split_at_checked(3).ok_or(HeadError::BadStatus)?;
    if !matches!(reason, [] | [b' ' | b'\t', ..]) {
        return Err(HeadError::BadStatus);
    }
    match StatusCode::from_bytes(code) {
        Ok(status) if (200..600).contains(&status.as_u16()) => Ok(status),
        _ => Err(HeadError::BadStatus),
    }
}

/// Checks the content length. Several lengths count as one if they agree (RFC 9110, 8.6).
fn check_length(fields: &mut HeaderMap) -> Result<(), HeadError> {
    let mut values = fields.get_all(CONTENT_LENGTH).iter();
    let Some(first) = values.next() else { return Ok(()) };
    let first = first.clone();
    if values.any(|value| value != first) {
        return Err(HeadError::Repeated("Content-Length"));
    }
    content_length(first.as_bytes()).ok_or(HeadError::BadLength)?;
    fields.insert(CONTENT_LENGTH, first);
    Ok(())
}

/// Removes the fields that are not for the client.
pub(crate) fn strip(fields: &mut HeaderMap) {
    let mut gone: Vec<HeaderName> = fields
        .keys()
        .filter(|name| name.as_str().starts_with("x-cgi-") || HOP_BY_HOP.contains(name))
        .cloned()
        .collect();
    if gone.is_empty() {
        return;
    }
    for value in fields.get_all(CONNECTION) {
        let names = value.as_bytes().split(|byte| *byte == b',');
        gone.extend(names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()));
    }
    for name in gone {
        fields.remove(name);
    }
}

/// Returns `true` for a path on this server; `//host` names another server.
fn is_local(place: &[u8]) -> bool {
    place.starts_with(b"/") && !place.starts_with(b"//")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(block: &str) -> Result<ResponseHead, HeadError> {
        match HeadParser::new(MAX_HEAD).feed(block.as_bytes())? {
            Fed::Complete(head, _) => Ok(head),
            Fed::Wanting => Err(HeadError::Incomplete),
        }
    }

    #[test]
    fn a_head_of_any_length_can_be_allowed() {
        assert!(matches!(HeadParser::new(usize::MAX).feed(b"A: 1\n\n"), Ok(Fed::Complete(..))));
    }

    #[test]
    fn requirement_8_each_invalid_head_has_its_error() {
        for (block, error) in [
            ("\n", HeadError::NoField),
            ("A: 1\n B: 2\n\n", HeadError::Folded(2)),
            ("A : 1\n\n", HeadError::NotAField(1)),
            ("A: 1\nno colon\n\n", HeadError::NotAField(2)),
            (": 1\n\n", HeadError::NotAField(1)),
            ("A: 1\r2\n\n", HeadError::BadValue(1)),
            ("A: 1\0\n\n", HeadError::BadValue(1)),
            ("Status: 200\nStatus: 200\n\n", HeadError::Repeated("Status")),
            ("Content-Type: a\nContent-Type: a\n\n", HeadError::Repeated("Content-Type")),
            ("Location: /a\nLocation: /a\n\n", HeadError::Repeated("Location")),
            ("Content-Length: 1\nContent-Length: 2\n\n", HeadError::Repeated("Content-Length")),
            ("Content-Length: +1\n\n", HeadError::BadLength),
            ("Content-Length: 99999999999999999999\n\n", HeadError::BadLength),
            ("Status: 103 Early\n\n", HeadError::BadStatus),
            ("Status: 2000\n\n", HeadError::BadStatus),
            ("Status: 20\n\n", HeadError::BadStatus),
            ("Status: 600\n\n", HeadError::BadStatus),
            ("A: 1\n", HeadError::Incomplete),
        ] {
            assert_eq!(parse(block), Err(error), "{block:?}");
        }
    }

    #[test]
    fn requirement_8_lines_end_in_lf_or_crlf_wherever_the_pieces_are_cut() {
        let block = b"Status: 201 Made\r\nA: 1\nB:  two \r\n\r\nbody\n\n";
        for cut in 0..block.len() {
            let mut parser = HeadParser::new(MAX_HEAD);
            let (first, second) = block.split_at(cut);
            let (head, used) = match parser.feed(first).unwrap() {
                Fed::Complete(head, used) => (head, used),
                Fed::Wanting => match parser.feed(second).unwrap() {
                    Fed::Complete(head, used) => (head, cut + used),
                    Fed::Wanting => panic!("no head when cut at {cut}"),
                },
            };
            assert_eq!((head.status.as_u16(), used), (201, block.len() - 6));
            assert_eq!(
                (&head.fields["a"], &head.fields["b"]),
                (&HeaderValue::from(1), &HeaderValue::from_static("two"))
            );
        }
    }

    #[test]
    fn requirement_8_a_head_is_bounded() {
        let block = "A: 12345\n\n";
        assert!(
            matches!(HeadParser::new(block.len()).feed(block.as_bytes()), Ok(Fed::Complete(_, used)) if used == 10)
        );
        assert_eq!(HeadParser::new(block.len() - 1).feed(block.as_bytes()), Err(HeadError::TooLong(9)));
        let mut parser = HeadParser::new(100);
        let error = (0..1_000_000).find_map(|_| parser.feed(b"A: 1\n").err());
        assert_eq!(error, Some(HeadError::TooLong(100)));
        assert!(parser.seen.capacity() < 1000);
        assert_eq!(HeadParser::new(100).feed(&[b'x'; 10_000_000]), Err(HeadError::TooLong(100)));
    }

    #[test]
    fn requirement_8_too_many_names_are_an_error() {
        let block = |names: usize| (0..names).map(|name| format!("N{name}: 1\n")).collect::<String>();
        for names in [40_000, 24_576, MAX_NAMES + 1] {
            assert_eq!(ResponseHead::parse(block(names).as_bytes()), Err(HeadError::TooManyNames), "{names}");
        }
        let max = block(MAX_NAMES - 1) + "Content-Length: 1\n" + &"Content-Length: 1\nN0: 2\n".repeat(10_000);
        let mut head = ResponseHead::parse(max.as_bytes()).unwrap();
        assert_eq!((head.length(), head.fields.get_all("n0").iter().count()), (Some(1), 10_001));
        head.fields.insert("added", HeaderValue::from(1));
    }

    #[test]
    fn requirement_9_the_status_follows_from_location() {
        assert_eq!(parse("A: 1\n\n").unwrap().status, 200);
        let away = parse("Location: http://elsewhere/\n\n").unwrap();
        assert_eq!((away.status.as_u16(), away.is_local_redirect), (302, false));
        assert!(parse("Location: /here?a=b\n\n").unwrap().is_local_redirect);
        assert!(!parse("Location: //elsewhere/\n\n").unwrap().is_local_redirect);
        let chosen = parse("Location: /here\nStatus: 303 See\n\n").unwrap();
        assert_eq!((chosen.status.as_u16(), chosen.is_local_redirect), (303, false));
    }

    #[test]
    fn requirement_10_hop_by_hop_and_cgi_fields_are_removed() {
        let head = parse(
            "Connection: close, X-Mine\nX-Mine: 1\nKeep-Alive: 1\nTransfer-Encoding: chunked\nUpgrade: h2c\nTE: x\n\
             Trailer: x\nProxy-Connection: x\nX-CGI-Debug: 1\nSet-Cookie: a\nSet-Cookie: b\nX-Latin: \u{e9}\n\n",
        )
        .unwrap();
        let mut names: Vec<_> = head.fields.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["set-cookie", "x-latin"]);
        assert_eq!(head.fields.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn requirement_8_a_response_without_a_body_has_no_length() {
        assert!(parse("Status: 304\nContent-Length: 7\n\n").unwrap().fields.is_empty());
        for length in ["", "Content-Length: 7\n"] {
            assert_eq!(parse(&format!("Status: 205\n{length}\n")).unwrap().length(), Some(0));
        }
        assert_eq!(parse("Content-Length: 7\nContent-Length: 7\n\n").unwrap().length(), Some(7));
    }

    #[test]
    fn a_written_head_is_parsed_again() {
        for block in
            ["Status: 404\nA: 1\nA: 2\n\n", "Location: /x\n\n", "Location: /x\nStatus: 302\n\n", "Location: a:b\n\n"]
        {
            let head = parse(block).unwrap();
            let mut written = Vec::new();
            head.write(&mut written);
            assert_eq!(HeadParser::new(MAX_HEAD).feed(&written), Ok(Fed::Complete(head, written.len())));
        }
    }
}
