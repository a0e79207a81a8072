//! A parser that follows where the heads of requests are in the bytes of a connection (RFC 9112). Hyper reports a head
//! only once it is complete, and hides a fragment in its target.

/// The maximum length of a line to follow. Hyper refuses longer ones.
const MAX_LINE: usize = 64 * 1024;

/// The byte that replaces `#` in a target, so that hyper answers with 400.
const NO_TARGET: u8 = 0;

/// The state of the parser for one connection.
#[derive(Debug)]
pub(super) struct Heads {
    part: Part,
    /// The beginning of an incomplete line.
    line: Vec<u8>,
    /// The length of the body, as the head declares it.
    body: Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A request line, possibly after empty lines.
    Request,
    Fields,
    /// This number of bytes of a body.
    Body(u64),
    /// The line before a chunk.
    Size,
    /// This number of bytes of a chunk, including its line end.
    Chunk(u64),
    Trailers,
    /// HTTP/2, or bytes that hyper refuses.
    Unknown,
}

#[derive(Debug, Clone, Copy)]
enum Body {
    Length(u64),
    Chunked,
}

impl Heads {
    pub(super) fn new() -> Heads {
        Heads { part: Part::Request, line: Vec::new(), body: Body::Length(0) }
    }

    /// Returns `true` if a head has begun and is incomplete.
    pub(super) fn is_within(&self) -> bool {
        self.part == Part::Fields || self.part == Part::Request && !self.line.is_empty()
    }

    /// Follows the next bytes. Replaces each `#` in a target.
    pub(super) fn follow(&mut self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match self.part {
                Part::Unknown => return,
                Part::Body(left) => self.skip(rest, left, Part::Body, Part::Request),
                Part::Chunk(left) => self.skip(rest, left, Part::Chunk, Part::Size),
                Part::Request | Part::Fields | Part::Size | Part::Trailers => self.line(rest),
            };
        }
    }

    fn skip<'a>(&mut self, bytes: &'a mut [u8], left: u64, same: fn(u64) -> Part, next: Part) -> &'a mut [u8] {
        let len = usize::try_from(left).map_or(bytes.len(), |left| bytes.len().min(left));
        let left = left - len as u64;
        self.part = if left > 0 { same(left) } else { next };
        &mut bytes[len..]
    }

    /// Consumes a line, or the part of it that is there.
    fn line<'a>(&mut self, bytes: &'a mut [u8]) -> &'a mut [u8] {
        let newline = bytes.iter().position(|byte| *byte == b'\n');
        let (line, rest) = bytes.split_at_mut(newline.map_or(bytes.len(), |at| at + 1));
        if self.part == Part::Request {
            let is_target = self.line.contains(&b' ');
            let method = if is_target { 0 } else { line.iter().position(|byte| *byte == b' ').unwrap_or(line.len()) };
            line[method..].iter_mut().filter(|byte| **byte == b'#').for_each(|byte| *byte = NO_TARGET);
        }
        if newline.is_some() && self.line.is_empty() {
            self.end_line(line);
            return rest;
        }
        self.line.extend_from_slice(line);
        if newline.is_some() {
            let line = std::mem::take(&mut self.line);
            self.end_line(&line);
        } else if self.line.len() > MAX_LINE {
            self.part = Part::Unknown;
        }
        rest
    }

    fn end_line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.part = match self.part {
            Part::Request if line.is_empty() => Part::Request,
            Part::Request if line.ends_with(b" HTTP/2.0") => Part::Unknown,
            Part::Request => {
                self.body = Body::Length(0);
                Part::Fields
            }
            Part::Fields if line.is_empty() => match self.body {
                Body::Length(0) => Part::Request,
                Body::Length(length) => Part::Body(length),
                Body::Chunked => Part::Size,
            },
            Part::Fields => self.field(line),
            Part::Size => match size(line) {
                Some(0) => Part::Trailers,
                Some(size) => Part::Chunk(size.saturating_add(2)),
                None => Part::Unknown,
            },
            Part::Trailers if line.is_empty() => Part::Request,
            other => other,
        };
    }

    /// Reads from a field how the body ends. A transfer coding overrides a length (RFC 9112, 6.3).
    fn field(&mut self, line: &[u8]) -> Part {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return Part::Unknown };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.body = Body::Chunked;
        } else if name.eq_ignore_ascii_case(b"content-length") && matches!(self.body, Body::Length(_)) {
            match crate::cgi::head::content_length(value) {
                Some(length) => self.body = Body::Length(length),
                None => return Part::Unknown,
            }
        }
        Part::Fields
    }
}

/// Returns the size of a chunk; extensions may follow it.
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    u64::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests whose bodies look like requests, with `#` inside and outside of targets.
    const REQUESTS: &[u8] = b"\r\nGET /a#b HTTP/1.1\r\nHost: a#b\r\n\r\n\
        PO#T /#?#a HTTP/1.1\nContent-Length: 16\n\nGET /#a HTTP/1.1\
        PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncontent-length: 3\r\n\r\n\
        13;a=#\r\n\r\nGET /#a HTTP/1.1\n\r\n1\r\n#\r\n0\r\nX: #\r\n\r\n\
        GET /d#e HTTP/1.1\r\n\r\nGET /f HTTP/1.1\r\nX: #";

    fn spoiled() -> Vec<u8> {
        let mut expected = REQUESTS.to_vec();
        for (target, count) in [(&b"/a#b"[..], 1), (b"/#?#a", 2), (b"/d#e", 1)] {
            let at = expected.windows(target.len()).position(|window| window == target).unwrap();
            let hashes = expected[at..at + target.len()].iter_mut().filter(|byte| **byte == b'#');
            assert_eq!(hashes.map(|byte| *byte = NO_TARGET).count(), count);
        }
        expected
    }

    #[test]
    fn requirement_17_a_fragment_is_found_only_in_targets_wherever_the_bytes_are_split() {
        let expected = spoiled();
        for size in 1..=REQUESTS.len() {
            let mut bytes = REQUESTS.to_vec();
            let mut heads = Heads::new();
            bytes.chunks_mut(size).for_each(|piece| heads.follow(piece));
            assert_eq!(bytes.escape_ascii().to_string(), expected.escape_ascii().to_string(), "pieces of {size}");
            assert!(heads.is_within());
        }
    }

    #[test]
    fn requirement_13_a_head_is_known_from_its_first_byte_to_its_last() {
        let within = |bytes: &[u8]| {
            let mut heads = Heads::new();
            heads.follow(&mut bytes.to_vec());
            heads.is_within()
        };
        for bytes in [&b"G"[..], b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nA: b", b"GET / HTTP/1.1\r\nA: b\r\n\r"] {
            assert!(within(bytes), "{}", bytes.escape_ascii());
        }
        let upload = b"PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\nGET / HTT";
        for bytes in [&b""[..], b"\r\n", b"GET / HTTP/1.1\r\n\r\n", upload, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
            assert!(!within(bytes), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn requirement_24_no_input_panics_or_buffers_more_than_a_line() {
        let mut heads = Heads::new();
        for _ in 0..100 {
            heads.follow(&mut [b'x'; 4096]);
        }
        assert!(heads.line.capacity() <= 4 * MAX_LINE);
        for start in ["PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "PUT / HTTP/1.1\r\nContent-Length: "] {
            for text in [
                "ffffffffffffffff\r\n",
                "fffffffffffffffff\r\n",
                "-1\r\n\r\n",
                "\r\n\r\n",
                "18446744073709551615\r\n\r\nab",
            ] {
                Heads::new().follow(&mut format!("{start}{text}").into_bytes());
            }
        }
    }
}
