//! The queue of a channel, and the chunks in it. One chunk needs no memory beyond the channel's own, and most bridges never queue more.

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;

use super::segment::Segment;
use super::state;

#[derive(Debug)]
pub(super) struct Queue<P> {
    /// `None` only if the queue is empty.
    first: Option<P>,
    rest: VecDeque<P>,
}

impl<P> Queue<P> {
    pub(super) const fn new() -> Queue<P> {
        Queue { first: None, rest: VecDeque::new() }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    pub(super) fn push(&mut self, piece: P) {
        if self.first.is_none() {
            self.first = Some(piece);
        } else {
            self.rest.push_back(piece);
        }
    }

    pub(super) fn pop(&mut self) -> Option<P> {
        let first = self.first.take()?;
        self.first = self.rest.pop_front();
        Some(first)
    }

    /// Moves all pieces into `into`, which must be empty.
    pub(super) fn take_all(&mut self, into: &mut VecDeque<P>) {
        mem::swap(&mut self.rest, into);
        if let Some(first) = self.first.take() {
            into.push_front(first);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &P> {
        self.first.iter().chain(&self.rest)
    }
}

/// A chunk in the queue.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_leave_in_the_order_in_which_they_came() {
        let mut queue = Queue::new();
        for round in 1..5 {
            (0..round).for_each(|piece| queue.push(piece));
            assert_eq!(queue.len(), round);
            assert_eq!(queue.pop(), Some(0));
            queue.push(round);
            assert_eq!(std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(), (1..=round).collect::<Vec<_>>());
            assert_eq!(queue.len(), 0);
            (0..round).for_each(|piece| queue.push(piece));
            let mut all = VecDeque::new();
            queue.take_all(&mut all);
            assert_eq!((all, queue.len()), ((0..round).collect(), 0));
        }
    }
}
