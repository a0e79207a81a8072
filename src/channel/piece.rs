//! A chunk in the queue.

use bytes::Bytes;

use super::segment::Segment;
use super::state;

#[derive(Debug)]
pub(super) enum Piece {
    /// A part of a segment, not yet made into `Bytes`.
    Written { segment: Segment, start: usize, end: usize },
    /// A chunk that the writer handed over.
    Handed(Bytes),
}

impl state::Measured for Piece {
    fn len(&self) -> usize {
        match self {
            Piece::Written { start, end, .. } => end - start,
            Piece::Handed(bytes) => bytes.len(),
        }
    }
}

impl Piece {
    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Piece::Written { segment, start, end } => segment.slice(start, end),
            Piece::Handed(bytes) => bytes,
        }
    }
}
