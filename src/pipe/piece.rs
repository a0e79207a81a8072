//! A chunk in the queue.

use bytes::Bytes;

use super::segment::Segment;
use super::state;
use crate::sync::Arc;

#[derive(Debug)]
pub(super) enum Piece {
    /// A part of a segment, which nobody has made a `Bytes` of yet.
    Written { segment: Arc<Segment>, start: usize, end: usize },
    /// What the writer handed over.
    Handed(Bytes),
}

impl state::Piece for Piece {
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
            Piece::Written { segment, start, end } => Segment::slice(&segment, start, end),
            Piece::Handed(bytes) => bytes,
        }
    }
}
