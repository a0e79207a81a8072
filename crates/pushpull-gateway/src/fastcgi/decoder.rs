//! Records out of bytes, as they come.

use bytes::{Buf, Bytes, BytesMut};

use super::header::{Header, Kind, ProtocolStatus, Stream};
use super::malformed::Malformed;

/// A record, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// Begins a request.
    Begin {
        /// The request.
        id: u16,
        /// What the application is to be: see [`Role`](super::Role).
        role: u16,
        /// Whether the connection stays open after it.
        keep: bool,
    },
    /// The host no longer wants a request answered.
    Abort {
        /// The request.
        id: u16,
    },
    /// The application has ended a request.
    End {
        /// The request.
        id: u16,
        /// The application's own status, like that of a process.
        app_status: u32,
        /// The protocol's; `None` for a number that the specification does not have.
        status: Option<ProtocolStatus>,
    },
    /// The next bytes of a stream. None at all are its end.
    Stream {
        /// Which.
        stream: Stream,
        /// The request.
        id: u16,
        /// The bytes: of a long record, as many as have come.
        content: Bytes,
    },
    /// Asks for the values of variables: the names are those of its [`Pairs`](super::Pairs).
    GetValues(Bytes),
    /// Tells them.
    GetValuesResult(Bytes),
    /// The other side does not know this type of record.
    UnknownType(u8),
    /// A record of a type that is not known here. Its content was passed over.
    Unknown {
        /// The type.
        kind: u8,
        /// The request, or 0.
        id: u16,
    },
}

/// Reads records. Nothing is kept of a record's content, which is split off the caller's buffer without a copy: a stream's
/// as far as it is there, every other once it is whole, which is 64 KiB at most.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    /// Before a header.
    #[default]
    Between,
    /// Within the content of a record that is not taken in parts.
    Whole(Header),
    /// Within that of a stream: so much is still to come, and then padding.
    Stream { stream: Stream, id: u16, left: u16, padding: u8 },
    /// Within what means nothing.
    Passing(u32),
    /// It was no record.
    Failed(Malformed),
}

impl Decoder {
    /// At the beginning of a connection.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// The next record, or part of one; `None` when more bytes are needed, which are to be put behind those left in the
    /// buffer.
    ///
    /// # Errors
    ///
    /// When the bytes are no record; then always the same.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Record>, Malformed> {
        let decoded = self.step(buffer);
        if let Err(malformed) = decoded {
            self.state = State::Failed(malformed);
        }
        decoded
    }

    /// The bytes have ended, with what is left in the buffer.
    ///
    /// # Errors
    ///
    /// When they did so within a record.
    pub fn finish(&self, buffer: &[u8]) -> Result<(), Malformed> {
        match self.state {
            State::Between if buffer.is_empty() => Ok(()),
            State::Failed(malformed) => Err(malformed),
            _ => Err(Malformed::CutRecord),
        }
    }

    /// At least how many bytes have to be in the buffer before there can be another record.
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

    /// A header has come: the record, if that is all of it.
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

/// A record whose content was taken whole.
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

    /// Everything there is, with the records that it has to be read as.
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

    /// What is read of bytes that come in these parts, the parts of one record's content joined again.
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
    fn requirement_19_records_are_read_however_they_are_cut() {
        let (bytes, expected) = sample();
        assert_eq!(read([&bytes[..]]), (expected.clone(), Ok(())));
        for at in 0..=bytes.len() {
            assert_eq!(read([&bytes[..at], &bytes[at..]]), (expected.clone(), Ok(())), "cut at {at}");
        }
        assert_eq!(read(bytes.chunks(1)), (expected, Ok(())));
    }

    #[test]
    fn requirement_24_every_truncation_is_told_or_ends_between_records() {
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
    fn requirement_24_lengths_that_lie_are_told() {
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
    fn a_content_is_not_copied() {
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
