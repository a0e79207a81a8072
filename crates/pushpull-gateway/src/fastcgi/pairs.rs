//! Names and values (3.4), which a stream's records may split anywhere.

use bytes::{BufMut, Bytes};

use super::malformed::Malformed;

/// The default maximum size of a request's parameters, in bytes. A program could hardly be started with more.
pub const MAX_PARAMS: usize = 64 * 1024;

/// A name and its value.
pub type Pair = (Bytes, Bytes);

/// Writes a name and its value.
///
/// # Panics
///
/// Panics if either has 2 GiB or more, which the length field cannot express.
#[track_caller]
pub fn put_pair(into: &mut impl BufMut, name: &[u8], value: &[u8]) {
    for part in [name, value] {
        match u8::try_from(part.len()) {
            Ok(length) if length < 0x80 => into.put_u8(length),
            _ => {
                assert!(
                    part.len() < 1 << 31,
                    "a name or value of {} bytes is too long: the maximum is 2 GiB less one byte",
                    part.len()
                );
                into.put_u32(part.len() as u32 | 1 << 31);
            }
        }
    }
    into.put_slice(name);
    into.put_slice(value);
}

/// A parser of names and values, fed part by part. Each result is a slice of a part, unless the part ended within it.
///
/// ```
/// use pushpull_gateway::fastcgi::{MAX_PARAMS, Pairs};
///
/// let mut pairs = Pairs::new(MAX_PARAMS);
/// pairs.push(b"\x04\x05".as_slice().into())?;
/// assert_eq!(pairs.next()?, None);
/// pairs.push(b"NAMEvalue".as_slice().into())?;
/// assert_eq!(pairs.next()?, Some(("NAME".into(), "value".into())));
/// pairs.finish()?;
/// # Ok::<(), pushpull_gateway::fastcgi::Malformed>(())
/// ```
#[derive(Debug)]
pub struct Pairs {
    limit: usize,
    /// The number of bytes that may still arrive.
    left: usize,
    /// The beginning of an incomplete pair.
    held: Vec<u8>,
    /// The unread rest of the last part.
    current: Bytes,
}

impl Pairs {
    /// Creates a parser that accepts up to `limit` bytes.
    pub fn new(limit: usize) -> Pairs {
        Pairs { limit, left: limit, held: Vec::new(), current: Bytes::new() }
    }

    /// Adds the next part of the stream. Call [`next`](Pairs::next) until it returns `None` before the next part: then
    /// memory is bounded by one part and the limit.
    ///
    /// # Errors
    ///
    /// Returns an error if the stream exceeds the limit.
    pub fn push(&mut self, part: Bytes) -> Result<(), Malformed> {
        self.left = self.left.checked_sub(part.len()).ok_or(Malformed::TooLong { limit: self.limit })?;
        if self.held.is_empty() && self.current.is_empty() {
            self.current = part;
            return Ok(());
        }
        self.held.extend_from_slice(&std::mem::take(&mut self.current));
        self.held.extend_from_slice(&part);
        Ok(())
    }

    /// Returns the next pair, or `None` if it is incomplete.
    ///
    /// # Errors
    ///
    /// Returns an error if the pair exceeds the limit.
    #[allow(clippy::should_implement_trait, reason = "more pairs may follow after `None`")]
    pub fn next(&mut self) -> Result<Option<Pair>, Malformed> {
        if !self.held.is_empty() {
            if self.lengths(&self.held)?.is_none() {
                return Ok(None);
            }
            self.current = std::mem::take(&mut self.held).into();
        }
        let Some((start, name, value)) = self.lengths(&self.current)? else {
            self.held.extend_from_slice(&std::mem::take(&mut self.current));
            return Ok(None);
        };
        let mut pair = self.current.split_to(start + name + value).split_off(start);
        let name = pair.split_to(name);
        Ok(Some((name, pair)))
    }

    /// Checks that the stream ended between two pairs.
    ///
    /// # Errors
    ///
    /// Returns an error if the stream ended within a pair.
    pub fn finish(&self) -> Result<(), Malformed> {
        if self.held.is_empty() && self.current.is_empty() { Ok(()) } else { Err(Malformed::CutPair) }
    }

    /// Returns where the first pair begins and the lengths of its name and value, or `None` if it is incomplete.
    fn lengths(&self, bytes: &[u8]) -> Result<Option<(usize, usize, usize)>, Malformed> {
        let Some((name, rest)) = length(bytes) else { return Ok(None) };
        let Some((value, rest)) = length(rest) else { return Ok(None) };
        let start = bytes.len() - rest.len();
        let wanted = start.saturating_add(name).saturating_add(value);
        if wanted > self.limit {
            return Err(Malformed::TooLong { limit: self.limit });
        }
        Ok((wanted <= bytes.len()).then_some((start, name, value)))
    }
}

/// Returns a length and the bytes after it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match *bytes {
        [short @ ..0x80, ref rest @ ..] => Some((short.into(), rest)),
        [b3, b2, b1, b0, ref rest @ ..] => Some((u32::from_be_bytes([b3 & 0x7f, b2, b1, b0]) as usize, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn read(parts: impl IntoIterator<Item = Bytes>, limit: usize) -> Result<Vec<Pair>, Malformed> {
        let mut pairs = Pairs::new(limit);
        let mut found = Vec::new();
        for part in parts {
            pairs.push(part)?;
            while let Some(pair) = pairs.next()? {
                found.push(pair);
            }
        }
        pairs.finish().map(|()| found)
    }

    fn written(pairs: &[(Vec<u8>, Vec<u8>)]) -> Bytes {
        let mut text = Vec::new();
        pairs.iter().for_each(|(name, value)| put_pair(&mut text, name, value));
        text.into()
    }

    #[test]
    fn requirement_19_lengths_have_one_or_four_bytes() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536, 1 << 20] {
            let pairs = [(vec![b'n'; length], b"v".to_vec()), (b"n".to_vec(), vec![b'v'; length])];
            let text = written(&pairs);
            assert_eq!(text.len(), 2 * (2 + length + if length < 128 { 1 } else { 4 }));
            let found = read([text], 3 << 20).unwrap();
            assert!(found.iter().zip(&pairs).all(|(found, pair)| found.0 == pair.0 && found.1 == pair.1));
            assert_eq!(found.len(), 2);
        }
        // A short length may be encoded in four bytes.
        assert_eq!(read([Bytes::from_static(b"\x80\0\0\x01\x80\0\0\x01AB")], 100).unwrap(), [("A".into(), "B".into())]);
    }

    #[test]
    fn requirement_19_pairs_may_be_split_at_every_byte() {
        let pairs = [(b"NAME".to_vec(), vec![b'v'; 300]), (vec![b'N'; 200], Vec::new()), (Vec::new(), b"v".to_vec())];
        let text = written(&pairs);
        let whole = read([text.clone()], MAX_PARAMS).unwrap();
        for at in 0..=text.len() {
            assert_eq!(read([text.slice(..at), text.slice(at..)], MAX_PARAMS).unwrap(), whole, "cut at {at}");
        }
        let bytes = (0..text.len()).map(|at| text.slice(at..=at));
        assert_eq!(read(bytes, MAX_PARAMS).unwrap(), whole);
    }

    #[test]
    fn requirement_24_a_truncated_pair_is_reported() {
        let text = written(&[(b"NAME".to_vec(), vec![b'v'; 200])]);
        for at in 1..text.len() {
            assert_eq!(read([text.slice(..at)], MAX_PARAMS), Err(Malformed::CutPair), "cut at {at}");
        }
    }

    #[test]
    fn requirement_24_ten_megabytes_of_parameters_are_not_kept() {
        let part = written(&[(b"NAME".to_vec(), vec![b'v'; 50_000])]);
        let parts = (0..200).map(|_| part.clone());
        assert_eq!(read(parts, MAX_PARAMS), Err(Malformed::TooLong { limit: MAX_PARAMS }));
        // A false length is reported before anything is buffered.
        let mut pairs = Pairs::new(MAX_PARAMS);
        pairs.push(Bytes::from_static(b"\x01\xff\xff\xff\xff")).unwrap();
        assert_eq!(pairs.next(), Err(Malformed::TooLong { limit: MAX_PARAMS }));
    }

    #[test]
    fn a_complete_pair_is_not_copied() {
        let text = written(&[(b"NAME".to_vec(), b"value".to_vec())]);
        let found = read([text.clone()], 100).unwrap();
        assert_eq!(found[0].1.as_ptr(), text[6..].as_ptr());
    }

    proptest! {
        #[test]
        fn pairs_are_read_as_they_were_written(
            pairs in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..200),
                                                proptest::collection::vec(any::<u8>(), 0..400)), 0..8),
            size in 1_usize..100,
        ) {
            let text = written(&pairs);
            let parts = (0..text.len()).step_by(size).map(|at| text.slice(at..text.len().min(at + size)));
            let found = read(parts, MAX_PARAMS).unwrap();
            let found: Vec<_> = found.into_iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            prop_assert_eq!(found, pairs);
        }

        #[test]
        fn requirement_24_no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), size in 1_usize..50) {
            let bytes = Bytes::from(bytes);
            let _ = read((0..bytes.len()).step_by(size).map(|at| bytes.slice(at..bytes.len().min(at + size))), 200);
        }
    }
}
