//! Records that wait to be sent, in few records and few slices.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

use super::encode::MAX_CONTENT;
use super::header::{Header, Stream};

/// The maximum size of a chunk that is copied next to others: a slice of its own would cost more.
const MAX_COPIED: usize = 4 * 1024;

/// The maximum number of slices sent at once.
#[cfg(any(feature = "server", feature = "upstream"))]
pub(crate) const MAX_SLICES: usize = 64;

/// The bytes that wait to be sent on a connection. Consecutive contents of one stream share a record, and long contents
/// are not copied.
///
/// ```
/// use pushpull_gateway::fastcgi::{Queue, Stream};
///
/// let mut queue = Queue::new();
/// queue.put(Stream::Stdout, 1, "Status: 200\r\n\r\n".into());
/// queue.put(Stream::Stdout, 1, "hello".into());
/// let mut slices = [std::io::IoSlice::new(&[]); 8];
/// assert_eq!(queue.slices(&mut slices), 1);
/// assert_eq!(&slices[0][..8], [1, 6, 0, 1, 0, 20, 0, 0]);
/// queue.advance(28);
/// assert!(queue.is_empty());
/// ```
#[derive(Debug, Default)]
pub struct Queue {
    /// The pieces to send first.
    pieces: VecDeque<Bytes>,
    /// The number of bytes in `pieces`.
    len: usize,
    /// Small contents, copied next to each other.
    tail: BytesMut,
    /// The last record in `tail`, while more content can be appended to it.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    stream: Stream,
    id: u16,
    /// The position of its header in `tail`.
    start: usize,
}

impl Queue {
    /// Creates an empty queue.
    pub fn new() -> Queue {
        Queue::default()
    }

    /// Returns the number of bytes that wait.
    pub fn len(&self) -> usize {
        self.len + self.tail.len()
    }

    /// Returns `true` if no bytes wait.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends bytes of a stream, as records. Empty content adds no record.
    pub fn put(&mut self, stream: Stream, id: u16, mut content: Bytes) {
        while !content.is_empty() {
            let (start, length) = self.record(stream, id);
            let part = content.split_to(content.len().min(MAX_CONTENT - length));
            let length = u16::try_from(length + part.len()).expect("it was cut to fit");
            self.tail[start + 4..start + 6].copy_from_slice(&length.to_be_bytes());
            if part.len() <= MAX_COPIED {
                self.tail.extend_from_slice(&part);
            } else {
                self.push(part);
            }
        }
    }

    /// Appends complete records as bytes.
    pub fn put_slice(&mut self, records: &[u8]) {
        self.open = None;
        self.tail.extend_from_slice(records);
    }

    /// Appends bytes unchanged, without a copy if there are many.
    #[cfg(feature = "server")]
    pub(crate) fn put_bytes(&mut self, bytes: Bytes) {
        if bytes.len() <= MAX_COPIED { self.put_slice(&bytes) } else { self.push(bytes) }
    }

    /// Fills slices with the bytes to send next. Returns the number of filled slices.
    pub fn slices<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let tail = Some(&self.tail[..]).filter(|tail| !tail.is_empty());
        let pieces = self.pieces.iter().map(|piece| &piece[..]).chain(tail);
        let filled = into.iter_mut().zip(pieces).map(|(slice, piece)| *slice = IoSlice::new(piece));
        filled.count()
    }

    /// Removes `count` bytes, which were sent.
    ///
    /// # Panics
    ///
    /// Panics if `count` exceeds the number of bytes that wait.
    pub fn advance(&mut self, mut count: usize) {
        assert!(count <= self.len(), "{count} bytes were sent of {}", self.len());
        while let Some(first) = self.pieces.front_mut() {
            let part = count.min(first.len());
            first.advance(part);
            self.len -= part;
            count -= part;
            if !first.is_empty() {
                return;
            }
            self.pieces.pop_front();
        }
        if count > 0 {
            // A record that is partly sent must not grow.
            self.open = None;
            self.tail.advance(count);
        }
    }

    /// Returns the record that the next content belongs to: the position of its header in `tail`, and its length.
    fn record(&mut self, stream: Stream, id: u16) -> (usize, usize) {
        if let Some(open) = &self.open
            && (open.stream, open.id) == (stream, id)
        {
            let length = self.tail.len() - open.start - Header::LEN;
            if length < MAX_CONTENT {
                return (open.start, length);
            }
        }
        let start = self.tail.len();
        self.tail.extend_from_slice(&Header { kind: stream as u8, id, length: 0, padding: 0 }.to_bytes());
        self.open = Some(Open { stream, id, start });
        (start, 0)
    }

    /// Appends a piece without copying it.
    fn push(&mut self, piece: Bytes) {
        self.open = None;
        if !self.tail.is_empty() {
            let tail = self.tail.split().freeze();
            self.len += tail.len();
            self.pieces.push_back(tail);
        }
        self.len += piece.len();
        self.pieces.push_back(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    use crate::fastcgi::{Decoder, Record};

    /// Sends the queue in steps of `step` bytes while filling it with `parts`. Returns what was sent.
    fn sent(parts: Vec<(u16, Bytes)>, step: usize) -> BytesMut {
        let (mut queue, mut sent) = (Queue::new(), BytesMut::new());
        let mut send = |queue: &mut Queue, mut max: usize| {
            let mut slices = [IoSlice::new(&[]); 3];
            let count = queue.slices(&mut slices);
            let mut moved = 0;
            for slice in &slices[..count] {
                let part = slice.len().min(max);
                sent.extend_from_slice(&slice[..part]);
                (max, moved) = (max - part, moved + part);
            }
            queue.advance(moved);
        };
        for (id, part) in parts {
            queue.put(Stream::Stdout, id, part);
            send(&mut queue, step);
        }
        while !queue.is_empty() {
            send(&mut queue, step);
        }
        sent
    }

    fn read(mut bytes: BytesMut) -> Vec<(u16, Vec<u8>)> {
        let mut decoder = Decoder::new();
        let mut found: Vec<(u16, Vec<u8>)> = Vec::new();
        while let Some(record) = decoder.decode(&mut bytes).unwrap() {
            let Record::Stream { id, content, .. } = record else { panic!("{record:?}") };
            match found.last_mut() {
                Some((last, text)) if *last == id => text.extend_from_slice(&content),
                _ => found.push((id, content.to_vec())),
            }
        }
        assert_eq!(decoder.finish(&bytes), Ok(()));
        found
    }

    #[test]
    fn small_parts_share_a_record_and_large_ones_are_not_copied() {
        let mut queue = Queue::new();
        let large = Bytes::from(vec![b'x'; 10_000]);
        queue.put(Stream::Stdout, 1, "head".into());
        queue.put(Stream::Stdout, 1, large.clone());
        queue.put_slice(b"end");
        let mut slices = [IoSlice::new(&[]); 8];
        assert_eq!(queue.slices(&mut slices), 3);
        assert_eq!(&slices[0][..], b"\x01\x06\0\x01\x27\x14\0\0head");
        assert_eq!(slices[1].as_ptr(), large.as_ptr());
        assert_eq!(&slices[2][..], b"end");
        assert_eq!(queue.len(), 12 + 10_000 + 3);
    }

    proptest! {
        #[test]
        fn the_bytes_sent_are_those_put(
            parts in proptest::collection::vec((1_u16..3, prop_oneof![0_usize..10, 4000_usize..5000, 60_000_usize..70_000]), 0..30),
            step in prop_oneof![1_usize..20, 1000_usize..100_000],
        ) {
            let parts: Vec<_> = parts.into_iter().enumerate()
                .map(|(index, (id, length))| (id, Bytes::from(vec![index as u8; length])))
                .collect();
            let mut expected: Vec<(u16, Vec<u8>)> = Vec::new();
            for (id, part) in parts.iter().filter(|(_, part)| !part.is_empty()) {
                match expected.last_mut() {
                    Some((last, text)) if last == id => text.extend_from_slice(part),
                    _ => expected.push((*id, part.to_vec())),
                }
            }
            prop_assert_eq!(read(sent(parts, step)), expected);
        }
    }
}
