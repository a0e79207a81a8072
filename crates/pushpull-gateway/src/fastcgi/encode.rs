//! Records as bytes.

use bytes::{BufMut, Bytes};

use super::header::{Header, Kind, ProtocolStatus, Role, Stream};
use super::pairs::put_pair;

/// The maximum content of an encoded record: the protocol's 65,535, rounded down so that the next record stays aligned.
pub(super) const MAX_CONTENT: usize = 65_528;

/// Returns a record with eight bytes of content.
const fn short(kind: Kind, id: u16, content: [u8; 8]) -> [u8; 16] {
    let header = Header::new(kind, id, 8).to_bytes();
    let [h0, h1, h2, h3, h4, h5, h6, h7] = header;
    let [c0, c1, c2, c3, c4, c5, c6, c7] = content;
    [h0, h1, h2, h3, h4, h5, h6, h7, c0, c1, c2, c3, c4, c5, c6, c7]
}

/// Returns the record that begins a request (5.1). `keep`: the application keeps the connection open afterwards.
pub fn begin_request(id: u16, role: Role, keep: bool) -> [u8; 16] {
    let [role1, role0] = (role as u16).to_be_bytes();
    short(Kind::BeginRequest, id, [role1, role0, u8::from(keep), 0, 0, 0, 0, 0])
}

/// Returns the record that aborts a request (5.4).
pub fn abort(id: u16) -> [u8; 8] {
    Header::new(Kind::AbortRequest, id, 0).to_bytes()
}

/// Returns the record that ends a request (5.5).
pub fn end_request(id: u16, app_status: u32, status: ProtocolStatus) -> [u8; 16] {
    let [s3, s2, s1, s0] = app_status.to_be_bytes();
    short(Kind::EndRequest, id, [s3, s2, s1, s0, status as u8, 0, 0, 0])
}

/// Returns the reply to a management record of unknown type (4.2).
pub fn unknown_type(kind: u8) -> [u8; 16] {
    short(Kind::UnknownType, 0, [kind, 0, 0, 0, 0, 0, 0, 0])
}

/// Returns the record that queries variables (4.1).
///
/// # Panics
///
/// Panics if the names do not fit into one record (65,535 bytes).
#[track_caller]
pub fn get_values<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    values(Kind::GetValues, names.into_iter().map(|name| (name, &b""[..])))
}

/// Returns the reply to a query of variables (4.1).
///
/// # Panics
///
/// Panics if the names and values do not fit into one record (65,535 bytes).
#[track_caller]
pub fn get_values_result<'a>(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    values(Kind::GetValuesResult, pairs)
}

#[track_caller]
fn values<'a>(kind: Kind, pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let mut record = vec![0; Header::LEN];
    pairs.into_iter().for_each(|(name, value)| put_pair(&mut record, name, value));
    let length = u16::try_from(record.len() - Header::LEN).expect("the variables fit into one record");
    record[..Header::LEN].copy_from_slice(&Header::new(kind, 0, length).to_bytes());
    record
}

/// Splits content into the records of a stream: for each its header, and its content as a slice of `content`. Empty
/// content yields no record; [`Records::end`] returns the end of a stream.
pub fn records(stream: Stream, id: u16, content: Bytes) -> Records {
    Records { stream, id, content }
}

/// An iterator over the records of a stream, returned by [`records`].
#[derive(Debug, Clone)]
pub struct Records {
    stream: Stream,
    id: u16,
    content: Bytes,
}

impl Records {
    /// Returns the record that ends a stream.
    pub const fn end(stream: Stream, id: u16) -> [u8; Header::LEN] {
        Header { kind: stream as u8, id, length: 0, padding: 0 }.to_bytes()
    }

    /// Writes all records.
    pub fn put(self, into: &mut impl BufMut) {
        for (header, content) in self {
            into.put_slice(&header);
            into.put_slice(&content);
        }
    }
}

impl Iterator for Records {
    type Item = ([u8; Header::LEN], Bytes);

    fn next(&mut self) -> Option<Self::Item> {
        if self.content.is_empty() {
            return None;
        }
        let content = self.content.split_to(self.content.len().min(MAX_CONTENT));
        let length = u16::try_from(content.len()).expect("it was cut to fit");
        Some((Header { kind: self.stream as u8, id: self.id, length, padding: 0 }.to_bytes(), content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with the specification's own layout (8), byte by byte.
    #[test]
    fn records_are_laid_out_as_the_specification_says() {
        assert_eq!(begin_request(0x0102, Role::Responder, true), [1, 1, 1, 2, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
        assert_eq!(abort(7), [1, 2, 0, 7, 0, 0, 0, 0]);
        let ended = end_request(1, 0x0a0b_0c0d, ProtocolStatus::Overloaded);
        assert_eq!(ended, [1, 3, 0, 1, 0, 8, 0, 0, 10, 11, 12, 13, 2, 0, 0, 0]);
        assert_eq!(unknown_type(99), [1, 11, 0, 0, 0, 8, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(get_values([&b"AB"[..]]), *b"\x01\x09\0\0\0\x04\0\0\x02\x00AB");
        assert_eq!(get_values_result([(&b"AB"[..], &b"1"[..])]), *b"\x01\x0a\0\0\0\x05\0\0\x02\x01AB1");
        assert_eq!(Records::end(Stream::Stdin, 3), [1, 5, 0, 3, 0, 0, 0, 0]);
    }

    #[test]
    fn long_content_is_split_without_a_copy() {
        let content = Bytes::from(vec![b'x'; 200_000]);
        let parts: Vec<_> = records(Stream::Stdout, 1, content.clone()).map(|(_, part)| part).collect();
        assert_eq!(parts.iter().map(Bytes::len).collect::<Vec<_>>(), [65_528, 65_528, 65_528, 3_416]);
        assert_eq!(parts[1].as_ptr(), content[65_528..].as_ptr());
        assert_eq!(records(Stream::Stdout, 1, Bytes::new()).next(), None);
    }
}
