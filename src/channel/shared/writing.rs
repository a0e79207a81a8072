//! The writing side: asks for room, of the capacity and of a budget, and queues what was written.

use std::io;
use std::mem;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;

use super::{ASLEEP, CLOSED, Channel, Locked, Open};
use crate::channel::ring::{Consumer, SLOTS};
use crate::channel::segment::Tail;
use crate::channel::state::Piece;
use crate::error::Error;
use crate::runtime::waker;
use crate::sync::{MutexGuard, Ordering};
use crate::sys::membarrier;

impl Channel {
    /// Returns `true` if the reader sleeps or the channel is closed. Called after every write into the open segment or
    /// the ring.
    #[inline]
    pub(in crate::channel) fn calls(&self) -> bool {
        membarrier::light();
        // ORDERING: relaxed, since the barrier orders the load after the write. What follows happens under the lock.
        self.attention.value.load(Ordering::Relaxed) != 0
    }

    /// Returns `true` if written bytes can reach no reader.
    pub(crate) fn is_closed(&self) -> bool {
        // ORDERING: acquire, so that a program that sees the flag sees what its host did before.
        self.attention.value.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Wakes a sleeping reader after a write into the open segment or the ring. A row of handed-over chunks ends.
    pub(in crate::channel) fn rouse(&self) {
        let mut locked = self.lock();
        locked.in_row = false;
        self.wake_puller(locked);
    }

    /// Returns how many of `len` bytes a writer may write now, or an error if the channel is closed.
    ///
    /// Without a context, returns the room at once, which may be zero. With a context, a blocked writer is woken later,
    /// and may find its segment, `tail`, empty again.
    pub(in crate::channel) fn poll_room(
        &self,
        len: usize,
        tail: Option<&mut Tail>,
        context: Option<&Context<'_>>,
    ) -> Poll<io::Result<usize>> {
        self.poll_locked(len, tail, context).map_ok(|(room, mut locked)| {
            locked.grant(len.min(room));
            room
        })
    }

    /// Queues `bytes` if all of it fits, no writer is blocked and there is no budget. Otherwise returns `bytes`. On
    /// success, returns the position up to which chunks may go into the ring.
    pub(in crate::channel) fn push(&self, bytes: Bytes) -> Result<u64, Bytes> {
        let mut locked = self.lock();
        if locked.state.ended() || locked.room() < bytes.len() || locked.held || locked.share.is_some() {
            return Err(bytes);
        }
        locked.state.queue(Piece::Handed(bytes));
        let allowed = if locked.in_row { self.allowed_in_row(&mut locked) } else { 0 };
        self.wake_puller(locked);
        Ok(allowed)
    }

    /// Lets a writer with no open segment hand over chunks through the ring from here on. `ring` is a new one's other
    /// end. Returns the position up to which chunks may go into the ring.
    pub(in crate::channel) fn begin_row(&self, ring: Option<Consumer>) -> u64 {
        let mut locked = self.lock();
        if locked.state.ended() {
            return 0;
        }
        debug_assert!(locked.open.is_none(), "what is in the open segment would come after what is in the ring");
        locked.in_row = true;
        if ring.is_some() {
            locked.ring = ring;
        }
        if locked.puller.is_some() {
            // A reader that waits for the head has not set the flag, and a write into the ring wakes by the flag alone.
            self.attend(ASLEEP, 0);
        }
        self.allowed_in_row(&mut locked)
    }

    /// Queues the part of `bytes` for which there is room, and returns its length.
    pub(in crate::channel) fn poll_push(&self, bytes: &mut Bytes, context: &Context<'_>) -> Poll<io::Result<usize>> {
        let (room, mut locked) = ready!(self.poll_locked(bytes.len(), None, Some(context)))?;
        let part = bytes.split_to(bytes.len().min(room));
        let len = part.len();
        locked.state.queue(Piece::Handed(part));
        self.wake_puller(locked);
        Poll::Ready(Ok(len))
    }

    /// Does what `poll_room` does, and keeps the lock.
    fn poll_locked(
        &self,
        len: usize,
        tail: Option<&mut Tail>,
        context: Option<&Context<'_>>,
    ) -> Poll<io::Result<(usize, MutexGuard<'_, Locked>)>> {
        let mut locked = self.lock();
        if locked.state.ended() {
            return Poll::Ready(Err(Error::disconnected()));
        }
        let (provided, spent) = locked.provide(len, context);
        if locked.held || locked.too_little(len) {
            self.settle(&mut locked);
        }
        let room = locked.room();
        let Some(context) = context else {
            return Poll::Ready(Ok((room, locked)));
        };
        let goes_on = match locked.held {
            true => provided || locked.state.resumes(locked.growing()),
            false => !locked.too_little(len),
        };
        if goes_on && !locked.held {
            return Poll::Ready(Ok((room, locked)));
        }
        locked.counts.writer_waits += u64::from(!locked.held);
        locked.held = !goes_on;
        let before = mem::replace(&mut locked.writer, (!goes_on).then(|| context.waker().clone()));
        // A reader that waits for a whole chunk would wait in vain, since the writer is blocked.
        let puller = if goes_on { None } else { self.take_puller(&mut locked) };
        let missed = self.hold(&locked);
        if goes_on && let Some(tail) = tail {
            locked.rewind(tail);
        }
        let others = if goes_on { locked.provided() } else { Vec::new() };
        drop(locked);
        waker::discard(before);
        waker::discard(spent);
        waker::wake(puller);
        waker::wake_all(others);
        // Only the writer itself reduces the room.
        if goes_on || missed { self.poll_locked(len, None, Some(context)) } else { Poll::Pending }
    }

    /// Makes `tail` the open segment, and wakes a sleeping reader if it holds bytes. Queues what is left of the
    /// previous segment. Returns the position up to which the writer may write now.
    pub(in crate::channel) fn open(&self, tail: &Tail) -> u64 {
        let segment = tail.segment().clone();
        let mut locked = self.lock();
        if locked.state.ended() {
            return 0;
        }
        let queued = locked.close_open();
        locked.in_row = false;
        locked.open = Some(Open { segment, start: 0 });
        let allowed = locked.state.allowed();
        if queued {
            self.wake_puller(locked);
        } else if tail.filled() > 0 && self.attention.value.load(Ordering::Relaxed) & ASLEEP != 0 {
            let puller = self.take_puller(&mut locked);
            drop(locked);
            waker::wake(puller);
        }
        allowed
    }

    /// Ends the current chunk: queues what is left of the open segment. If `stay` is `true`, the segment stays open.
    /// Returns the position up to which the writer may write now.
    pub(in crate::channel) fn boundary(&self, stay: bool) -> u64 {
        let mut locked = self.lock();
        let queued = if stay { locked.queue_open() } else { locked.close_open() };
        locked.in_row = false;
        let allowed = locked.state.allowed();
        if queued {
            self.wake_puller(locked);
        }
        allowed
    }

    /// Queues a complete segment as a chunk. Returns the position up to which the writer may
    /// write now.
    pub(in crate::channel) fn push_segment(&self, tail: Tail) -> u64 {
        let end = tail.filled();
        let piece = Piece::Written { segment: tail.into_segment(), start: 0, end };
        let mut locked = self.lock();
        if locked.state.ended() {
            return 0;
        }
        locked.state.queue(piece);
        locked.in_row = false;
        let allowed = locked.state.allowed();
        self.wake_puller(locked);
        allowed
    }

    /// Returns the position up to which chunks may go into the ring: no further than keeps the bytes in flight below
    /// their recorded peak, since a new peak would have to be recorded.
    fn allowed_in_row(&self, locked: &mut Locked) -> u64 {
        if !locked.state.has_places(SLOTS) {
            return 0;
        }
        self.note_peak(locked);
        locked.state.allowed().min(locked.state.pulled().bytes + locked.counts.peak as u64)
    }
}

/// The channel's share of a budget. Without a budget, the limit is the capacity.
impl Locked {
    /// Records that the writer may write `len` more bytes, after the lock is released. Until it does, these bytes count
    /// as held: a pull does not give their share back.
    pub(super) fn grant(&mut self, len: usize) {
        self.granted = self.accepted() + len as u64;
    }

    /// Returns the maximum number of bytes in flight without another request, apart from bytes that join the open
    /// segment.
    fn most_in_flight(&self) -> usize {
        self.in_flight().max(self.granted.saturating_sub(self.state.pulled().bytes) as usize)
    }

    /// Takes from the budget what a write of `len` bytes lacks. Without a context, it takes only free bytes; with a
    /// context, it requests the rest. Returns whether a blocked writer resumes, and a waker that is no longer needed.
    pub(super) fn provide(&mut self, len: usize, context: Option<&Context<'_>>) -> (bool, Option<Waker>) {
        let growing = self.growing();
        let Some(share) = &mut self.share else { return (false, None) };
        if share.collect() {
            self.state.limit(share.limit());
            return (true, None);
        }
        // A whole chunk, for many small writes.
        let lacking = self.state.lacking(growing, len, len.max(share.own()));
        if lacking == 0 {
            return (false, None);
        }
        if !share.is_waiting() && share.take(lacking) {
            self.state.limit(share.limit());
            return (true, None);
        }
        (false, context.and_then(|context| share.wait(lacking, context.waker())))
    }

    /// Withdraws the request of a writer that resumes. Returns the wakers to wake.
    pub(super) fn provided(&mut self) -> Vec<Waker> {
        self.share.as_mut().map_or_else(Vec::new, |share| share.give_up())
    }

    /// Gives back `len` pulled bytes, unless they are needed. Returns the wakers to wake.
    pub(super) fn pulled(&mut self, len: usize) -> Vec<Waker> {
        if self.share.is_none() {
            return Vec::new();
        }
        let most = self.most_in_flight();
        let Some(share) = &mut self.share else { return Vec::new() };
        // Without asking, the writer may put less than a chunk into the open segment. That is the bridge's own chunk.
        let woken = share.settle(len, most);
        self.state.limit(share.limit());
        woken
    }

    /// Gives back what the bridge no longer needs, since nothing more will be written. Returns the wakers to wake.
    pub(super) fn complete(&mut self) -> Vec<Waker> {
        let most = self.in_flight();
        let Some(share) = &mut self.share else { return Vec::new() };
        let mut woken = share.give_up();
        woken.extend(share.settle(0, most.saturating_sub(share.own())));
        woken
    }
}

#[cfg(all(test, not(pushpull_loom)))]
mod tests {
    use std::sync::Arc;
    use std::task::Poll;

    use crate::budget::Budget;
    use crate::channel::ahead::Ahead;
    use crate::channel::sender::Sender;
    use crate::channel::{Channel, Taken};
    use crate::options::Options;

    #[test]
    fn law_4_what_a_writer_was_granted_is_not_given_back_before_it_is_written() {
        let budget = Budget::new(8);
        let mut options = Options::pipe(100);
        options.set_chunk_size(4);
        options.set_budget(&budget);
        let channel = Arc::new(Channel::new(&options));
        assert!(Sender::new(channel.clone(), &options).poll_write(&[7; 4], None).is_ready());
        let room = channel.poll_room(8, None, None);
        assert!(matches!(room, Poll::Ready(Ok(8))));
        assert_eq!(budget.available(), 0);
        // Only the pulled chunk is given back: the next eight bytes need the own chunk and four more.
        assert!(matches!(channel.take_written(&mut Ahead::new()), Some(Taken::Chunk(_))));
        assert_eq!(budget.available(), 4);
    }
}
