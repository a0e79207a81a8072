//! What a pipe decides: who may go on, what comes next, and how it ended. Pure state: no lock, no waiting.

use std::collections::VecDeque;
use std::io;
use std::mem;

use super::queue::Queue;
use crate::error::Error;

/// How many chunks may be queued, however small: each costs memory beside its bytes.
const MAX_QUEUED: usize = 1024;

/// What can be queued. Only its length matters here.
pub(super) trait Measured {
    fn len(&self) -> usize;
}

/// The decisions of one pipe.
#[derive(Debug)]
pub(super) struct Flow<P> {
    capacity: usize,
    /// How much of the capacity may be used.
    limit: usize,
    queue: Queue<P>,
    /// How many chunks the puller has taken ahead, and not pulled yet as far as is known here.
    ahead: usize,
    /// Those of the chunks ahead too.
    queued_bytes: usize,
    pulled: u64,
    chunks: u64,
    end: End,
}

/// How the writing side ended. The first reason is never overwritten.
#[derive(Debug)]
enum End {
    Open,
    /// Ended; what to tell the puller, until it has been told.
    Ended(Option<io::Error>),
    /// The puller went. Whoever pulls all the same is told.
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

    /// How many more bytes a writer that has had `accepted` accepted in all may write now. Zero means that it is held.
    pub(super) fn room(&self, accepted: u64) -> usize {
        if self.is_long() {
            return 0;
        }
        self.limit.saturating_sub(self.in_flight(accepted))
    }

    /// Only so much of the capacity may be used from here on.
    pub(super) fn limit(&mut self, bytes: usize) {
        self.limit = bytes.min(self.capacity);
    }

    /// By how much the limit would have to be higher for a write of `len` bytes to go on, with room for `want`; as far as
    /// the capacity allows.
    pub(super) fn lacking(&self, accepted: u64, len: usize, want: usize) -> usize {
        if self.is_long() || !self.too_little(accepted, len) {
            return 0;
        }
        let whole = self.capacity.saturating_sub(self.in_flight(accepted));
        want.min(whole).saturating_sub(self.room(accepted))
    }

    /// Whether as many chunks are queued as may be.
    pub(super) fn is_long(&self) -> bool {
        !self.has_places(1)
    }

    /// Whether so many chunks more may be queued.
    pub(super) fn has_places(&self, chunks: usize) -> bool {
        self.queued() + chunks <= MAX_QUEUED
    }

    /// Whether a writer that wants `len` bytes in should rather wait for the queue to empty than write a scrap.
    pub(super) fn too_little(&self, accepted: u64, len: usize) -> bool {
        self.room(accepted) < len.min(self.limit / 2).max(1)
    }

    /// Whether a held writer goes on. Half of everything must be gone first, so that the two sides do not wake each
    /// other at every chunk.
    pub(super) fn resumes(&self, accepted: u64) -> bool {
        self.until_resumed(accepted) == Some(0)
    }

    /// How many bytes are to be pulled until a held writer goes on; `None` if what it waits for is a place in the queue.
    pub(super) fn until_resumed(&self, accepted: u64) -> Option<usize> {
        (self.queued() <= MAX_QUEUED / 2).then(|| self.in_flight(accepted).saturating_sub(self.limit / 2))
    }

    /// A writer whose wait was refused may have gone on since it said what it had `accepted`.
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

    /// How many of them the puller has not taken ahead.
    pub(super) fn left(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// The puller takes the next chunk of the queue.
    pub(super) fn pull(&mut self) -> Option<P> {
        let piece = self.queue.pop()?;
        self.queued_bytes -= piece.len();
        self.count(&piece);
        Some(piece)
    }

    /// The puller takes all of the queue, to pull it chunk by chunk.
    pub(super) fn take_ahead(&mut self, taken: &mut VecDeque<P>) {
        debug_assert!(taken.is_empty() && self.ahead == 0, "what was taken ahead is pulled first");
        self.queue.take_all(taken);
        self.ahead = taken.len();
    }

    /// It has pulled so much of that.
    pub(super) fn pulled_ahead(&mut self, chunks: usize, bytes: usize) {
        self.ahead -= chunks;
        self.queued_bytes -= bytes;
        self.pulled += bytes as u64;
        self.chunks += chunks as u64;
    }

    /// The puller has taken a chunk that was never queued.
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

    /// The writing side ends. Returns `false` if the channel had ended already: a first reason stays.
    pub(super) fn end(&mut self, result: io::Result<()>) -> bool {
        let first = !self.ended();
        if first {
            self.end = End::Ended(result.err());
        }
        first
    }

    /// Whether the bridge is closed: what is written now reaches nobody.
    pub(super) fn ended(&self) -> bool {
        !matches!(self.end, End::Open)
    }

    /// Whether the reader went.
    pub(super) fn was_left(&self) -> bool {
        matches!(self.end, End::Left)
    }

    /// Whether the writing side ended without an error that has still to be told.
    #[cfg(any(feature = "http", feature = "stream"))]
    pub(super) fn ended_well(&self) -> bool {
        matches!(self.end, End::Ended(None))
    }

    /// What the puller is told after the last chunk: `None` while the end is open, an error once.
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

    /// The puller goes, and with it whatever it has not pulled or been told, which is given back: the rest of the queue, and
    /// how the bridge had ended without it. Whoever pulls all the same is told.
    pub(super) fn leave(&mut self) -> (Queue<P>, Option<io::Result<()>>) {
        let all = self.queued() == 0;
        let rest = mem::replace(&mut self.queue, Queue::new());
        // What was taken ahead is the puller's, and may still be counted.
        self.queued_bytes -= rest.iter().map(Measured::len).sum::<usize>();
        let untold = match mem::replace(&mut self.end, End::Left) {
            End::Ended(Some(error)) => Some(Err(error)),
            // All of it was pulled; else it is the puller's leaving that ends it.
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
    fn law_3_the_first_reason_wins_and_is_told_once() {
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
                                assert!(state.queued() > 0, "held with nothing to pull");
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
                assert!(state.resumes(accepted), "an empty queue still holds the writer");
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
