//! The decisions of a channel: when a writer may write, what comes next, and how the channel ended. Pure state: no
//! lock, no waiting.
//!
//! Bytes and chunks are counted as positions in the stream, from its beginning. A position only grows, and is never
//! corrected: what is in flight lies between two of them.

use std::collections::VecDeque;
use std::io;
use std::mem;

use bytes::Bytes;

use super::segment::Segment;
use crate::error::Error;

/// The maximum number of queued chunks, however small, since each costs memory beside its bytes.
const MAX_QUEUED: usize = 1024;

/// A chunk, complete or taken while it grows.
#[derive(Debug)]
pub(super) enum Piece {
    /// A part of a segment, not yet made into `Bytes`.
    Written { segment: Segment, start: usize, end: usize },
    /// A chunk that the writer handed over.
    Handed(Bytes),
}

impl Piece {
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Piece::Written { start, end, .. } => end - start,
            Piece::Handed(bytes) => bytes.len(),
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Piece::Written { segment, start, end } => segment.slice(start, end),
            Piece::Handed(bytes) => bytes,
        }
    }
}

/// A place in the stream.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) bytes: u64,
    pub(super) chunks: u64,
}

impl Position {
    pub(super) fn pass(&mut self, piece: &Piece) {
        self.bytes += piece.len() as u64;
        self.chunks += 1;
    }
}

/// The decisions of one channel.
#[derive(Debug)]
pub(super) struct Flow {
    capacity: usize,
    /// The part of the capacity that may be used.
    limit: usize,
    queue: Queue,
    /// The end of the chunks that were queued. What the writer has accepted beyond it is in the open segment.
    queued: Position,
    /// What the reader has pulled, as it was seen last.
    pulled: Position,
    end: End,
}

/// The end of the writing side. The first reason is never overwritten.
#[derive(Debug)]
enum End {
    Open,
    /// Ended, with the error until it is reported.
    Ended(Option<io::Error>),
    /// The reader has left. A later pull gets an error.
    Left,
}

impl Flow {
    pub(super) fn new(capacity: usize) -> Flow {
        Flow {
            capacity,
            limit: capacity,
            queue: Queue::default(),
            queued: Position::default(),
            pulled: Position::default(),
            end: End::Open,
        }
    }

    // `growing` is the number of accepted bytes that are not queued: those of the growing chunk.

    /// Returns how many more bytes a writer may write now. Zero means that it is blocked.
    pub(super) fn room(&self, growing: usize) -> usize {
        if self.is_long() {
            return 0;
        }
        self.limit.saturating_sub(self.in_flight(growing))
    }

    /// Returns the position up to which the writer may write, as far as is known here.
    pub(super) fn allowed(&self) -> u64 {
        if self.is_long() { 0 } else { self.pulled.bytes.saturating_add(self.limit as u64) }
    }

    /// Limits the part of the capacity that may be used from now on.
    pub(super) fn limit(&mut self, bytes: usize) {
        self.limit = bytes.min(self.capacity);
    }

    /// Returns how much higher the limit must be for a write of `len` bytes to proceed, with room for `want`. The
    /// capacity is the maximum.
    pub(super) fn lacking(&self, growing: usize, len: usize, want: usize) -> usize {
        if self.is_long() || !self.too_little(growing, len) {
            return 0;
        }
        let whole = self.capacity.saturating_sub(self.in_flight(growing));
        want.min(whole).saturating_sub(self.room(growing))
    }

    /// Returns `true` if the maximum number of chunks is queued.
    pub(super) fn is_long(&self) -> bool {
        !self.has_places(1)
    }

    /// Returns `true` if `chunks` more chunks may be queued.
    pub(super) fn has_places(&self, chunks: usize) -> bool {
        self.waiting() + chunks <= MAX_QUEUED
    }

    /// Returns `true` if a write of `len` bytes should wait for more room, instead of writing a small part.
    pub(super) fn too_little(&self, growing: usize, len: usize) -> bool {
        self.room(growing) < len.min(self.limit / 2).max(1)
    }

    /// Returns `true` if a blocked writer resumes. First, half of the room and half of the queue must be free, so that
    /// the two sides do not wake each other at every chunk.
    pub(super) fn resumes(&self, growing: usize) -> bool {
        self.until_resumed(growing) == Some(0)
    }

    /// Returns how many bytes must be pulled until a blocked writer resumes, or `None` if it waits for a place in the
    /// queue.
    pub(super) fn until_resumed(&self, growing: usize) -> Option<usize> {
        (self.waiting() <= MAX_QUEUED / 2).then(|| self.in_flight(growing).saturating_sub(self.limit / 2))
    }

    /// Returns the number of bytes accepted and not pulled.
    pub(super) fn in_flight(&self, growing: usize) -> usize {
        (self.queued.bytes - self.pulled.bytes) as usize + growing
    }

    pub(super) fn queue(&mut self, piece: Piece) {
        self.queued.pass(&piece);
        self.queue.push(piece);
    }

    /// Returns how many queued chunks were not pulled, as far as is known here.
    pub(super) fn waiting(&self) -> usize {
        (self.queued.chunks - self.pulled.chunks) as usize
    }

    /// Returns how many queued chunks the reader has not taken ahead.
    pub(super) fn left(&self) -> usize {
        self.queue.len()
    }

    /// Takes the next chunk of the queue.
    pub(super) fn pull(&mut self) -> Option<Piece> {
        let piece = self.queue.pop()?;
        self.pulled.pass(&piece);
        Some(piece)
    }

    /// Counts a chunk that the reader takes while it grows.
    pub(super) fn pull_growing(&mut self, piece: &Piece) {
        self.queued.pass(piece);
        self.pulled.pass(piece);
    }

    /// Takes the whole queue, to be pulled chunk by chunk.
    pub(super) fn take_ahead(&mut self, taken: &mut VecDeque<Piece>) {
        debug_assert!(taken.is_empty(), "chunks taken ahead must be pulled first");
        self.queue.take_all(taken);
    }

    /// Records how far the reader has pulled the chunks taken ahead.
    pub(super) fn see_pulled(&mut self, pulled: Position) {
        self.pulled = pulled;
    }

    /// Returns the end of the queued chunks.
    pub(super) fn queued(&self) -> Position {
        self.queued
    }

    /// Returns what the reader has pulled, as far as is known here.
    pub(super) fn pulled(&self) -> Position {
        self.pulled
    }

    /// Ends the writing side. Returns `false` if the channel had already ended: the first reason stays.
    pub(super) fn end(&mut self, result: io::Result<()>) -> bool {
        let first = !self.ended();
        if first {
            self.end = End::Ended(result.err());
        }
        first
    }

    /// Returns `true` if the channel is closed, so that written bytes reach no reader.
    pub(super) fn ended(&self) -> bool {
        !matches!(self.end, End::Open)
    }

    /// Returns `true` if the reader has left.
    pub(super) fn was_left(&self) -> bool {
        matches!(self.end, End::Left)
    }

    /// Returns `true` if the writing side has ended, and no error is left to report.
    #[cfg(any(feature = "http", feature = "stream"))]
    pub(super) fn ended_well(&self) -> bool {
        matches!(self.end, End::Ended(None))
    }

    /// Returns the end to report after the last chunk: `None` while the channel is open, an error only once.
    pub(super) fn tell_end(&mut self) -> Option<io::Result<()>> {
        match &mut self.end {
            End::Open => None,
            End::Ended(error) => Some(error.take().map_or(Ok(()), Err)),
            End::Left => {
                self.end = End::Ended(None);
                Some(Err(Error::disconnected()))
            }
        }
    }

    /// Ends the reading side. Returns the rest of the queue, and the end of the bridge if it was not reported. A later
    /// pull gets an error.
    pub(super) fn leave(&mut self) -> (Queue, Option<io::Result<()>>) {
        let all = self.waiting() == 0;
        let rest = mem::take(&mut self.queue);
        let untold = match mem::replace(&mut self.end, End::Left) {
            End::Ended(Some(error)) => Some(Err(error)),
            // If not all was pulled, the reader's leaving is what ends the bridge.
            End::Ended(None) => all.then_some(Ok(())),
            End::Open | End::Left => None,
        };
        (rest, untold)
    }
}

/// The queue of a channel. One chunk needs no memory beyond the channel's own, and most bridges never queue more.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// `None` only if the queue is empty.
    first: Option<Piece>,
    rest: VecDeque<Piece>,
}

impl Queue {
    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    fn push(&mut self, piece: Piece) {
        if self.first.is_none() {
            self.first = Some(piece);
        } else {
            self.rest.push_back(piece);
        }
    }

    fn pop(&mut self) -> Option<Piece> {
        let first = self.first.take()?;
        self.first = self.rest.pop_front();
        Some(first)
    }

    /// Moves all pieces into `into`, which must be empty.
    fn take_all(&mut self, into: &mut VecDeque<Piece>) {
        mem::swap(&mut self.rest, into);
        if let Some(first) = self.first.take() {
            into.push_front(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(len: usize) -> Piece {
        Piece::Handed(Bytes::from_static(&[7; 8][..len]))
    }

    fn error(text: &str) -> io::Result<()> {
        Err(io::Error::other(text))
    }

    #[test]
    fn law_3_the_first_reason_wins_and_is_reported_once() {
        let mut state = Flow::new(1);
        assert!(state.tell_end().is_none());
        state.end(error("first"));
        state.end(error("second"));
        state.end(Ok(()));
        assert_eq!(state.tell_end().unwrap().unwrap_err().to_string(), "first");
        assert!(state.tell_end().unwrap().is_ok());
    }

    #[test]
    fn law_4_no_order_of_steps_exceeds_the_capacity_or_stalls() {
        // Every sequence of eight writes (of one or three bytes) and pulls, for small capacities.
        for capacity in 1..=5_usize {
            for script in 0..3_u32.pow(8) {
                let mut state = Flow::new(capacity);
                let mut held = false;
                for step in 0..8 {
                    match script / 3_u32.pow(step) % 3 {
                        0 => {
                            if state.pull().is_some() {
                                held &= !state.resumes(0);
                            }
                        }
                        write => {
                            let len = if write == 1 { 1 } else { 3 };
                            if held || state.too_little(0, len) {
                                held = true;
                                assert!(state.waiting() > 0, "blocked with nothing to pull");
                            } else {
                                state.queue(piece(len.min(state.room(0))));
                            }
                        }
                    }
                    assert!(state.in_flight(0) <= capacity);
                }
                while state.pull().is_some() {}
                assert!(state.resumes(0), "an empty queue still blocks the writer");
            }
        }
    }

    #[test]
    fn law_4_what_was_taken_ahead_is_in_flight_until_it_is_pulled() {
        let mut state = Flow::new(8);
        (0..4).for_each(|_| state.queue(piece(2)));
        let mut ahead = VecDeque::new();
        state.take_ahead(&mut ahead);
        assert_eq!((ahead.len(), state.left(), state.waiting(), state.in_flight(0)), (4, 0, 4, 8));
        assert_eq!((state.room(0), state.until_resumed(0)), (0, Some(4)));
        state.see_pulled(Position { bytes: 4, chunks: 2 });
        assert_eq!((state.room(0), state.until_resumed(0), state.waiting()), (4, Some(0), 2));
        assert_eq!((state.room(3), state.until_resumed(3)), (1, Some(3)), "a growing chunk is in flight too");
        state.queue(piece(1));
        let (rest, untold) = state.leave();
        assert!(rest.len() == 1 && untold.is_none());
        assert_eq!(state.queued(), Position { bytes: 9, chunks: 5 });
    }

    #[test]
    fn a_writer_is_allowed_what_was_pulled_and_the_limit() {
        let mut state = Flow::new(usize::MAX);
        state.queue(piece(3));
        assert!(state.pull().is_some());
        assert!(state.allowed() >= usize::MAX as u64, "the largest capacity");
        state.limit(5);
        assert_eq!(state.allowed(), 8);
        (0..MAX_QUEUED).for_each(|_| state.queue(piece(0)));
        assert_eq!(state.allowed(), 0, "no place is left in the queue");
    }

    #[test]
    fn law_4_the_number_of_chunks_is_bounded_too() {
        let mut state = Flow::new(1 << 20);
        while state.room(0) > 0 {
            state.queue(piece(1));
        }
        assert_eq!(state.waiting(), MAX_QUEUED);
    }

    #[test]
    fn pieces_leave_in_the_order_in_which_they_came() {
        let numbered = |number: u8| Piece::Handed(vec![number].into());
        let number = |piece: Piece| piece.into_bytes()[0];
        let mut queue = Queue::default();
        for round in 1..5 {
            (0..round).for_each(|piece| queue.push(numbered(piece)));
            assert_eq!(queue.len(), usize::from(round));
            assert_eq!(queue.pop().map(number), Some(0));
            queue.push(numbered(round));
            assert!(std::iter::from_fn(|| queue.pop()).map(number).eq(1..=round));
            assert_eq!(queue.len(), 0);
            (0..round).for_each(|piece| queue.push(numbered(piece)));
            let mut all = VecDeque::new();
            queue.take_all(&mut all);
            assert!(all.into_iter().map(number).eq(0..round) && queue.len() == 0);
        }
    }
}
