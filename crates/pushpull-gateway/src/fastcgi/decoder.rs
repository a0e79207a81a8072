//! A decoder that makes records from bytes.

use bytes::{Buf, Bytes, BytesMut};

use super::header::{Header, Kind, ProtocolStatus, Stream};
use super::malformed::Malformed;

/// A record, or part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// Begins a request.
    Begin {
        /// The request id.
        id: u16,
        /// The role asked of the application: see [`Role`](super::Role).
        role: u16,
        /// `true` if the connection stays open after the request.
        keep: bool,
    },
    /// Aborts a request: the host no longer wants the response.
    Abort {
        /// The request id.
        id: u16,
    },
    /// Ends a request, from the application.
    End {
        /// The request id.
        id: u16,
        /// The application's status, like the exit status of a process.
        app_status: u32,
        /// The protocol's status, or `None` for a number unknown to the specification.
        status: Option<ProtocolStatus>,
    },
    /// The next bytes of a stream. Empty content is its end.
    Stream {
        /// The stream.
        stream: Stream,
        /// The request id.
        id: u16,
        /// The content, or the part of it that has arrived.
        content: Bytes,
    },
    /// Queries variables: the content has their names as [`Pairs`](super::Pairs).
    GetValues(Bytes),
    /// The reply to `GetValues`, with names and values.
    GetValuesResult(Bytes),
    /// The other side does not know this type of record.
    UnknownType(u8),
    /// A record of unknown type. Its content was skipped.
    Unknown {
        /// The type of the record.
        kind: u8,
        /// The request id, or 0.
        id: u16,
    },
}

/// A decoder of records. It buffers nothing: contents are split off the caller's buffer without a copy. A stream's
/// content is returned as it arrives; any other record is returned once it is complete (maximum: 64 KiB).
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    /// Before a header.
    #[default]
    Between,
    /// Within the content of a record that is returned whole.
    Whole(Header),
    /// Within the content of a stream, with this number of bytes left and padding after them.
    Stream { stream: Stream, id: u16, left: u16, padding: u8 },
    /// Within bytes to skip.
    Passing(u32),
    /// The bytes were not valid.
    Failed(Malformed),
}

impl Decoder {
    /// Creates a decoder for the beginning of a connection.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Returns the next record or part of one, or `None` if more bytes are needed. Append those to what is left in the
    /// buffer.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not a valid record. Every later call returns the same error.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Record>, Malformed> {
        let decoded = self.step(buffer);
        if let Err(malformed) = decoded {
            self.state = State::Failed(malformed);
        }
        decoded
    }

    /// Checks that the bytes ended between two records, given what is left in the buffer.
    ///
    /// # Errors
    ///
    /// Returns an error if they ended within a record.
    pub fn finish(&self, buffer: &[u8]) -> Result<(), Malformed> {
        match self.state {
            State::Between if buffer.is_empty() => Ok(()),
            State::Failed(malformed) => Err(malformed),
            _ => Err(Malformed::CutRecord),
        }
    }

    /// Returns the minimum number of bytes in the buffer for another record.
    pub fn wanted(&self) -> usize {
        match self.state {
            State::Between => Header::LEN,
            State::Whole(header) => header.length.into(),
            State::Stream { .. } | State::Passing(_) | State::Failed(_) => 1,
        }
    }

    fn step(&mut self, buffer: &mut BytesMut) -> Result<Option<Record>, Malformed> {
        loop {
            match self.state {
                State::Between => {
                    let Some(header) = buffer.first_chunk() else { return Ok(None) };
                    let header = Header::parse(*header)?;
                    buffer.advance(Header::LEN);
                    if let Some(record) = self.begin(header)? {
                        return Ok(Some(record));
                    }
                }
                State::Whole(header) => {
                    let length = usize::from(header.length);
                    if buffer.len() < length {
                        return Ok(None);
                    }
                    let content = buffer.split_to(length).freeze();
                    self.state = State::Passing(header.padding.into());
                    return whole(header, content).map(Some);
                }
                State::Stream { stream, id, left, padding } => {
                    if buffer.is_empty() {
                        return Ok(None);
                    }
                    let content = buffer.split_to(buffer.len().min(left.into())).freeze();
                    let left = left - content.len() as u16;
                    self.state = match left {
                        0 => State::Passing(padding.into()),
                        left => State::Stream { stream, id, left, padding },
                    };
                    return Ok(Some(Record::Stream { stream, id, content }));
                }
                State::Passing(0) => self.state = State::Between,
                State::Passing(left) => {
                    if buffer.is_empty() {
                        return Ok(None);
                    }
                    let passed = buffer.len().min(left as usize);
                    buffer.advance(passed);
                    self.state = State::Passing(left - passed as u32);
                }
                State::Failed(malformed) => return Err(malformed),
            }
        }
    }

    /// Handles a header. Returns the record if the header is all of it.
    fn begin(&mut self, header: Header) -> Result<Option<Record>, Malformed> {
        let Header { kind, id, length, padding } = header;
        if let Ok(stream) = Stream::try_from(kind) {
            if length > 0 {
                self.state = State::Stream { stream, id, left: length, padding };
                return Ok(None);
            }
            self.state = State::Passing(padding.into());
            return Ok(Some(Record::Stream { stream, id, content: Bytes::new() }));
        }
        let known = Kind::try_from(kind);
        let has_eight = matches!(known, Ok(Kind::BeginRequest | Kind::EndRequest | Kind::UnknownType));
        if has_eight && length != 8 {
            return Err(Malformed::Length { kind, length, expected: 8 });
        }
        match known {
            Ok(Kind::BeginRequest) if id == 0 => return Err(Malformed::ZeroId),
            Ok(Kind::AbortRequest) | Err(_) => {
                self.state = State::Passing(u32::from(length) + u32::from(padding));
                return Ok(Some(if known.is_ok() { Record::Abort { id } } else { Record::Unknown { kind, id } }));
            }
            Ok(_) => self.state = State::Whole(header),
        }
        Ok(None)
    }
}

/// Returns a record whose content is complete.
fn whole(header: Header, content: Bytes) -> Result<Record, Malformed> {
    let Header { kind, id, length, .. } = header;
    let wrong = Malformed::Length { kind, length, expected: 8 };
    Ok(match Kind::try_from(kind) {
        Ok(Kind::GetValues) => Record::GetValues(content),
        Ok(Kind::GetValuesResult) => Record::GetValuesResult(content),
        known => {
            let [c0, c1, c2, c3, c4, ..] = *content.first_chunk::<8>().ok_or(wrong)?;
            match known {
                Ok(Kind::BeginRequest) => Record::Begin { id, role: u16::from_be_bytes([c0, c1]), keep: c2 & 1 != 0 },
                Ok(Kind::EndRequest) => {
                    let app_status = u32::from_be_bytes([c0, c1, c2, c3]);
                    Record::End { id, app_status, status: ProtocolStatus::try_from(c4).ok() }
                }
                _ => Record::UnknownType(c0),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    use crate::fastcgi::{
        Records, Role, abort, begin_request, end_request, get_values, get_values_result, records, unknown_type,
    };

    /// Returns every type of record, as bytes and as the records to expect.
    fn sample() -> (Vec<u8>, Vec<Record>) {
        let mut bytes = Vec::new();
        let mut stream = |stream, content: &'static [u8]| {
            records(stream, 1, Bytes::from_static(content)).put(&mut bytes);
            bytes.extend_from_slice(&Records::end(stream, 1));
            let whole = Record::Stream { stream, id: 1, content: Bytes::from_static(content) };
            [whole, Record::Stream { stream, id: 1, content: Bytes::new() }]
        };
        let mut expected = Vec::new();
        for (kind, content) in [
            (Stream::Params, &b"\x01\x01AB"[..]),
            (Stream::Stdin, b"in"),
            (Stream::Stdout, b"out"),
            (Stream::Stderr, b"err"),
            (Stream::Data, b"data"),
        ] {
            expected.extend(stream(kind, content));
        }
        let begin = begin_request(1, Role::Responder, true);
        let unknown = Header { kind: 77, id: 0, length: 3, padding: 2 }.to_bytes();
        let padded = Header { kind: Kind::Stdin as u8, id: 2, length: 1, padding: 7 }.to_bytes();
        let values = get_values([&b"FCGI_MAX_CONNS"[..]]);
        let result = get_values_result([(&b"A"[..], &b"1"[..])]);
        for piece in [
            &begin[..],
            &unknown,
            b"abcde",
            &padded,
            b"x1234567",
            &abort(1),
            &values,
            &result,
            &unknown_type(9),
            &end_request(1, 5, ProtocolStatus::Overloaded),
        ] {
            bytes.extend_from_slice(piece);
        }
        expected.extend([
            Record::Begin { id: 1, role: 1, keep: true },
            Record::Unknown { kind: 77, id: 0 },
            Record::Stream { stream: Stream::Stdin, id: 2, content: "x".into() },
            Record::Abort { id: 1 },
            Record::GetValues(Bytes::copy_from_slice(&values[8..])),
            Record::GetValuesResult(Bytes::copy_from_slice(&result[8..])),
            Record::UnknownType(9),
            Record::End { id: 1, app_status: 5, status: Some(ProtocolStatus::Overloaded) },
        ]);
        (bytes, expected)
    }

    /// Decodes bytes that arrive in these parts, and joins the parts of one record's content.
    fn read<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Record>, Result<(), Malformed>) {
        let (mut decoder, mut buffer, mut found) = (Decoder::new(), BytesMut::new(), Vec::new());
        let mut is_within = false;
        for part in parts {
            buffer.extend_from_slice(part);
            loop {
                let record = match decoder.decode(&mut buffer) {
                    Ok(Some(record)) => record,
                    Ok(None) => break,
                    Err(malformed) => {
                        assert_eq!(decoder.decode(&mut buffer), Err(malformed));
                        return (found, Err(malformed));
                    }
                };
                let continues = is_within;
                is_within = matches!(decoder.state, State::Stream { .. });
                match (found.last_mut(), record) {
                    (Some(Record::Stream { content, .. }), Record::Stream { content: more, .. }) if continues => {
                        *content = [&content[..], &more].concat().into();
                    }
                    (_, record) => found.push(record),
                }
            }
        }
        let finished = decoder.finish(&buffer);
        (found, finished)
    }

    #[test]
    fn requirement_19_records_are_read_however_they_are_split() {
        let (bytes, expected) = sample();
        assert_eq!(read([&bytes[..]]), (expected.clone(), Ok(())));
        for at in 0..=bytes.len() {
            assert_eq!(read([&bytes[..at], &bytes[at..]]), (expected.clone(), Ok(())), "cut at {at}");
        }
        assert_eq!(read(bytes.chunks(1)), (expected, Ok(())));
    }

    #[test]
    fn requirement_24_every_truncation_is_reported_or_ends_between_records() {
        let (bytes, expected) = sample();
        for at in 0..bytes.len() {
            let (found, finished) = read([&bytes[..at]]);
            assert!(found.len() <= expected.len());
            let is_between = Ok(()) == finished;
            assert_eq!(is_between, is_boundary(&bytes, at), "cut at {at}: {finished:?}");
            assert!(is_between || finished == Err(Malformed::CutRecord));
        }
    }

    fn is_boundary(bytes: &[u8], at: usize) -> bool {
        let mut place = 0;
        while place < at {
            let header = Header::parse(*bytes[place..].first_chunk().unwrap()).unwrap();
            place += Header::LEN + usize::from(header.length) + usize::from(header.padding);
        }
        place == at
    }

    #[test]
    fn requirement_24_false_lengths_are_reported() {
        for kind in [Kind::BeginRequest, Kind::EndRequest, Kind::UnknownType] {
            for length in [0, 7, 9, 65_535] {
                let header = Header::new(kind, 1, length).to_bytes();
                let expected = Malformed::Length { kind: kind as u8, length, expected: 8 };
                assert_eq!(read([&header[..]]).1, Err(expected));
            }
        }
        assert_eq!(read([&begin_request(0, Role::Responder, false)[..]]).1, Err(Malformed::ZeroId));
        assert_eq!(read([&b"GET / HTTP/1.1\r\n"[..]]).1, Err(Malformed::Version(b'G')));
    }

    #[test]
    fn content_is_not_copied() {
        let mut buffer = BytesMut::new();
        records(Stream::Stdin, 1, "content".into()).put(&mut buffer);
        let place = buffer[8..].as_ptr();
        let record = Decoder::new().decode(&mut buffer).unwrap().unwrap();
        assert!(matches!(record, Record::Stream { content, .. } if content.as_ptr() == place));
    }

    proptest! {
        #[test]
        fn requirement_19_streams_are_read_as_they_were_written(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..2000), 1..8),
            size in 1_usize..3000,
            id in 1_u16..,
        ) {
            let mut bytes = Vec::new();
            parts.iter().for_each(|part| records(Stream::Stdout, id, part.clone().into()).put(&mut bytes));
            let (found, finished) = read(bytes.chunks(size));
            prop_assert_eq!(finished, Ok(()));
            let stream = Stream::Stdout;
            let expected: Vec<_> =
                parts.into_iter().map(|part| Record::Stream { stream, id, content: part.into() }).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn requirement_24_no_bytes_make_it_panic(
            bytes in proptest::collection::vec(prop_oneof![Just(1_u8), 0_u8..12, any::<u8>()], 0..400),
            size in 1_usize..50,
        ) {
            let _ = read(bytes.chunks(size));
        }
    }
}
