//! The decisions of a channel: when a writer may write, what comes next, and how the channel ended. Pure state: no
//! lock, no waiting.

use std::collections::VecDeque;
use std::io;
use std::mem;

use super::queue::Queue;
use crate::error::Error;

/// The maximum number of queued chunks, however small, since each costs memory beside its bytes.
const MAX_QUEUED: usize = 1024;

/// A value that can be queued. Only its length matters here.
pub(super) trait Measured {
    fn len(&self) -> usize;
}

/// The decisions of one channel.
#[derive(Debug)]
pub(super) struct Flow<P> {
    capacity: usize,
    /// The part of the capacity that may be used.
    limit: usize,
    queue: Queue<P>,
    /// The number of chunks that the reader has taken ahead, and not yet pulled as far as is known here.
    ahead: usize,
    /// Includes the chunks taken ahead.
    queued_bytes: usize,
    pulled: u64,
    chunks: u64,
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

impl<P: Measured> Flow<P> {
    pub(super) fn new(capacity: usize) -> Flow<P> {
        Flow {
            capacity,
            limit: capacity,
            queue: Queue::new(),
            ahead: 0,
            queued_bytes: 0,
            pulled: 0,
            chunks: 0,
            end: End::Open,
        }
    }

    /// Returns how many more bytes a writer with `accepted` bytes accepted may write now. Zero means that it is
    /// blocked.
    pub(super) fn room(&self, accepted: u64) -> usize {
        if self.is_long() {
            return 0;
        }
        self.limit.saturating_sub(self.in_flight(accepted))
    }

    /// Limits the part of the capacity that may be used from now on.
    pub(super) fn limit(&mut self, bytes: usize) {
        self.limit = bytes.min(self.capacity);
    }

    /// Returns how much higher the limit must be for a write of `len` bytes to proceed, with room for `want`. The
    /// capacity is the maximum.
    pub(super) fn lacking(&self, accepted: u64, len: usize, want: usize) -> usize {
        if self.is_long() || !self.too_little(accepted, len) {
            return 0;
        }
        let whole = self.capacity.saturating_sub(self.in_flight(accepted));
        want.min(whole).saturating_sub(self.room(accepted))
    }

    /// Returns `true` if the maximum number of chunks is queued.
    pub(super) fn is_long(&self) -> bool {
        !self.has_places(1)
    }

    /// Returns `true` if `chunks` more chunks may be queued.
    pub(super) fn has_places(&self, chunks: usize) -> bool {
        self.queued() + chunks <= MAX_QUEUED
    }

    /// Returns `true` if a write of `len` bytes should wait for more room, instead of writing a small part.
    pub(super) fn too_little(&self, accepted: u64, len: usize) -> bool {
        self.room(accepted) < len.min(self.limit / 2).max(1)
    }

    /// Returns `true` if a blocked writer resumes. First, half of the room and half of the queue must be free, so that
    /// the two sides do not wake each other at every chunk.
    pub(super) fn resumes(&self, accepted: u64) -> bool {
        self.until_resumed(accepted) == Some(0)
    }

    /// Returns how many bytes must be pulled until a blocked writer resumes, or `None` if it waits for a place in the
    /// queue.
    pub(super) fn until_resumed(&self, accepted: u64) -> Option<usize> {
        (self.queued() <= MAX_QUEUED / 2).then(|| self.in_flight(accepted).saturating_sub(self.limit / 2))
    }

    /// Returns the bytes in flight. If a wait was refused, its writer may have written more than `accepted` since.
    fn in_flight(&self, accepted: u64) -> usize {
        accepted.saturating_sub(self.pulled) as usize
    }

    pub(super) fn queue(&mut self, piece: P) {
        self.queued_bytes += piece.len();
        self.queue.push(piece);
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.len() + self.ahead
    }

    /// Returns how many queued chunks the reader has not taken ahead.
    pub(super) fn left(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Takes the next chunk of the queue.
    pub(super) fn pull(&mut self) -> Option<P> {
        let piece = self.queue.pop()?;
        self.queued_bytes -= piece.len();
        self.count(&piece);
        Some(piece)
    }

    /// Takes the whole queue, to be pulled chunk by chunk.
    pub(super) fn take_ahead(&mut self, taken: &mut VecDeque<P>) {
        debug_assert!(taken.is_empty() && self.ahead == 0, "chunks taken ahead must be pulled first");
        self.queue.take_all(taken);
        self.ahead = taken.len();
    }

    /// Records what the reader has pulled of the chunks taken ahead.
    pub(super) fn pulled_ahead(&mut self, chunks: usize, bytes: usize) {
        self.ahead -= chunks;
        self.queued_bytes -= bytes;
        self.pulled += bytes as u64;
        self.chunks += chunks as u64;
    }

    /// Counts a pulled chunk that is not in the queue.
    pub(super) fn count(&mut self, piece: &P) {
        self.pulled += piece.len() as u64;
        self.chunks += 1;
    }

    pub(super) fn pulled(&self) -> u64 {
        self.pulled
    }

    pub(super) fn chunks(&self) -> u64 {
        self.chunks
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
    pub(super) fn leave(&mut self) -> (Queue<P>, Option<io::Result<()>>) {
        let all = self.queued() == 0;
        let rest = mem::replace(&mut self.queue, Queue::new());
        // Chunks taken ahead belong to the reader, and may still be counted.
        self.queued_bytes -= rest.iter().map(Measured::len).sum::<usize>();
        let untold = match mem::replace(&mut self.end, End::Left) {
            End::Ended(Some(error)) => Some(Err(error)),
            // If not all was pulled, the reader's leaving is what ends the bridge.
            End::Ended(None) => all.then_some(Ok(())),
            End::Open | End::Left => None,
        };
        (rest, untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Measured for usize {
        fn len(&self) -> usize {
            *self
        }
    }

    fn error(text: &str) -> io::Result<()> {
        Err(io::Error::other(text))
    }

    #[test]
    fn law_3_the_first_reason_wins_and_is_reported_once() {
        let mut state = Flow::<usize>::new(1);
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
                let mut state = Flow::<usize>::new(capacity);
                let mut accepted = 0;
                let mut held = false;
                for step in 0..8 {
                    match script / 3_u32.pow(step) % 3 {
                        0 => {
                            if state.pull().is_some() {
                                held &= !state.resumes(accepted);
                            }
                        }
                        write => {
                            let len = if write == 1 { 1 } else { 3 };
                            if held || state.too_little(accepted, len) {
                                held = true;
                                assert!(state.queued() > 0, "blocked with nothing to pull");
                            } else {
                                let len = len.min(state.room(accepted));
                                accepted += len as u64;
                                state.queue(len);
                            }
                        }
                    }
                    assert!(accepted - state.pulled() <= capacity as u64);
                }
                while state.pull().is_some() {}
                assert!(state.resumes(accepted), "an empty queue still blocks the writer");
            }
        }
    }

    #[test]
    fn law_4_what_was_taken_ahead_is_in_flight_until_it_is_pulled() {
        let mut state = Flow::new(8);
        (0..4).for_each(|_| state.queue(2));
        let mut ahead = VecDeque::new();
        state.take_ahead(&mut ahead);
        assert_eq!((ahead.len(), state.left(), state.queued(), state.queued_bytes()), (4, 0, 4, 8));
        assert_eq!((state.room(8), state.until_resumed(8)), (0, Some(4)));
        state.pulled_ahead(2, 4);
        assert_eq!((state.room(8), state.until_resumed(8), state.queued()), (4, Some(0), 2));
        assert_eq!((state.pulled(), state.chunks()), (4, 2));
        state.queue(1);
        let (rest, untold) = state.leave();
        assert!(rest.iter().eq(&[1]) && untold.is_none());
        state.pulled_ahead(2, 4);
        assert_eq!((state.queued(), state.queued_bytes()), (0, 0));
    }

    #[test]
    fn law_4_the_number_of_chunks_is_bounded_too() {
        let mut state = Flow::new(1 << 20);
        let mut accepted = 0;
        while state.room(accepted) > 0 {
            state.queue(1);
            accepted += 1;
        }
        assert_eq!(accepted, MAX_QUEUED as u64);
    }
}
