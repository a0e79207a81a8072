//! The bounded queue itself: the state behind its lock, the open segment beside it, and who waits for whom.
//!
//! A writer takes the lock once or twice a chunk, not once a write: in between it fills the open segment (see
//! `segment.rs`) and looks at one flag. Nothing here blocks; a side that has to wait leaves its `Waker`. A waker is taken
//! out under the lock, and woken or dropped after it: it may own anything, this channel's ends too.

mod closed;
mod ending;
mod look;
mod share;

use std::io;
use std::mem;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;

use self::closed::Watchers;
use super::ahead::{Ahead, Progress};
use super::apart::Apart;
use super::barrier::Barrier;
use super::piece::Piece;
use super::segment::{Segment, Tail};
use super::state::{self, State};
use crate::budget::Share;
use crate::error::Error;
use crate::options::Options;
use crate::program::Program;
use crate::sync::{Arc, AtomicU8, AtomicUsize, Mutex, MutexGuard, Ordering};

/// The puller sleeps until something is written.
const ASLEEP: u8 = 1;
/// Nothing that is written can reach anyone.
const CLOSED: u8 = 2;

pub use self::closed::Closed;
pub(super) use self::look::Begun;

#[derive(Debug)]
pub(crate) struct Channel {
    /// `ASLEEP` and `CLOSED`: what a writer must notice without taking the lock. Changed under the lock.
    attention: Apart<AtomicU8>,
    /// How many pieces are queued, for the puller that backs off. A hint: the truth is under the lock.
    queued: AtomicUsize,
    /// What the puller counts without the lock.
    progress: Apart<Progress>,
    barrier: Barrier,
    locked: Mutex<Locked>,
    /// Who writes into it or reads from it, where an engine runs that.
    pub(crate) program: Program,
}

#[derive(Debug)]
struct Locked {
    state: State<Piece>,
    /// The puller has taken chunks ahead, and has not come back for more since.
    is_ahead: bool,
    /// Chunks and bytes of its progress with them that `state` knows of.
    seen: (usize, usize),
    open: Option<Open>,
    puller: Option<Waker>,
    writer: Option<Held>,
    /// Who waits for the channel to be closed, if anybody does.
    watchers: Option<Box<Watchers>>,
    /// Of a budget, if it has one.
    share: Option<Box<Share>>,
    counts: Counts,
}

/// What is counted beside what is pulled.
#[derive(Debug, Default)]
struct Counts {
    writer_waits: u64,
    puller_waits: u64,
    peak: usize,
}

/// The segment that the writer is filling.
#[derive(Debug)]
struct Open {
    segment: Arc<Segment>,
    /// Where what has been neither queued nor taken begins.
    start: usize,
}

/// A writer that was held, until it goes on.
#[derive(Debug)]
struct Held {
    /// Taken when it is woken.
    waker: Option<Waker>,
    accepted: u64,
}

/// What a puller gets.
pub(crate) enum Taken {
    Chunk(Bytes),
    End(Option<io::Error>),
}

impl Channel {
    pub(crate) fn new(options: &Options) -> Channel {
        let mut state = State::new(options.capacity());
        let share = options.budget().map(|budget| Box::new(Share::new(budget, options.chunk_size())));
        if let Some(share) = &share {
            state.limit(share.limit());
        }
        Channel {
            attention: Apart::new(AtomicU8::new(0)),
            queued: AtomicUsize::new(0),
            progress: Apart::new(Progress::new()),
            barrier: Barrier::detect(),
            locked: Mutex::new(Locked {
                state,
                is_ahead: false,
                seen: (0, 0),
                open: None,
                puller: None,
                writer: None,
                watchers: None,
                share,
                counts: Counts::default(),
            }),
            program: Program::default(),
        }
    }

    // The writing side.

    pub(super) fn barrier(&self) -> Barrier {
        self.barrier
    }

    /// To be called after every write into the open segment: does anyone have to be told of it?
    #[inline]
    pub(super) fn calls(&self, barrier: Barrier) -> bool {
        barrier.light();
        // ORDERING: relaxed, the barrier orders it after the write; what it leads to happens under the lock.
        self.attention.value.load(Ordering::Relaxed) != 0
    }

    /// Nothing that is written can reach anyone.
    pub(crate) fn is_closed(&self) -> bool {
        // ORDERING: acquire, so that a program that sees it sees what its host did before.
        self.attention.value.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Wakes a puller that sleeps: something was written into the open segment.
    pub(super) fn rouse(&self) {
        let puller = self.take_puller(&mut self.locked.lock());
        wake(puller);
    }

    /// How many bytes a writer may write now, of the `len` that it wants to; an error when the pipe is closed. Without
    /// a context it is told what there is, which may be nothing; with one, a writer that is held is woken later, and may
    /// find its segment, `tail`, empty again.
    pub(super) fn poll_room(
        &self,
        accepted: u64,
        len: usize,
        tail: Option<&mut Tail>,
        context: Option<&Context<'_>>,
    ) -> Poll<io::Result<usize>> {
        self.poll_locked(accepted, len, tail, context).map_ok(|(room, _)| room)
    }

    /// Queues a part of `bytes` that there is room for, and says how long it is.
    pub(super) fn poll_push(&self, accepted: u64, bytes: &mut Bytes, context: &Context<'_>) -> Poll<io::Result<usize>> {
        let (room, mut locked) = ready!(self.poll_locked(accepted, bytes.len(), None, Some(context)))?;
        let part = bytes.split_to(bytes.len().min(room));
        let len = part.len();
        locked.state.queue(Piece::Handed(part));
        self.wake_puller(locked);
        Poll::Ready(Ok(len))
    }

    /// As `poll_room`, which keeps the lock.
    fn poll_locked(
        &self,
        accepted: u64,
        len: usize,
        tail: Option<&mut Tail>,
        context: Option<&Context<'_>>,
    ) -> Poll<io::Result<(usize, MutexGuard<'_, Locked>)>> {
        let mut locked = self.locked.lock();
        if locked.state.ended() {
            return Poll::Ready(Err(Error::disconnected()));
        }
        let (provided, spent) = locked.provide(accepted, len, context);
        if locked.writer.is_some() || locked.state.too_little(accepted, len) {
            self.settle(&mut locked);
        }
        let room = locked.state.room(accepted);
        let Some(context) = context else {
            return Poll::Ready(Ok((room, locked)));
        };
        let goes_on = match locked.writer {
            Some(_) => provided || locked.state.resumes(accepted),
            None => !locked.state.too_little(accepted, len),
        };
        if goes_on && locked.writer.is_none() {
            return Poll::Ready(Ok((room, locked)));
        }
        if locked.writer.is_none() {
            locked.counts.writer_waits += 1;
        }
        let held = (!goes_on).then(|| Held { waker: Some(context.waker().clone()), accepted });
        // Who waits for a whole chunk waits in vain for a writer that is held.
        let puller = held.as_ref().and_then(|_| self.take_puller(&mut locked));
        let before = mem::replace(&mut locked.writer, held);
        let missed = self.hold(&locked);
        if goes_on && let Some(tail) = tail {
            locked.rewind(tail);
        }
        let others = if goes_on { locked.provided() } else { Vec::new() };
        drop(locked);
        drop((before, spent));
        wake(puller);
        others.into_iter().for_each(Waker::wake);
        // Only the writer itself makes the room less.
        if goes_on || missed { self.poll_locked(accepted, len, None, Some(context)) } else { Poll::Pending }
    }

    /// Makes `tail` the segment that a puller may look into, and wakes one that sleeps if something is in it. Queues what the
    /// one before it holds and has not been taken.
    pub(super) fn open(&self, tail: &Tail) {
        let segment = tail.segment().clone();
        let mut locked = self.locked.lock();
        if locked.state.ended() {
            return;
        }
        let queued = locked.queue_open();
        let before = locked.open.replace(Open { segment, start: 0 });
        if queued {
            self.wake_puller(locked);
        } else if tail.filled() > 0 && self.attention.value.load(Ordering::Relaxed) & ASLEEP != 0 {
            let puller = self.take_puller(&mut locked);
            drop(locked);
            wake(puller);
        } else {
            drop(locked);
        }
        drop(before);
    }

    /// A chunk ends here: queues what the open segment holds and has not been taken. `stay` keeps the segment open. Says
    /// whether the queue has room for more chunks.
    pub(super) fn boundary(&self, stay: bool) -> bool {
        let mut locked = self.locked.lock();
        let queued = locked.queue_open();
        if !stay {
            locked.open = None;
        }
        let room = !locked.state.is_long();
        if queued {
            self.wake_puller(locked);
        }
        room
    }

    /// Queues a segment that is complete, as a chunk.
    pub(super) fn push_segment(&self, tail: Tail) {
        let segment = tail.segment().clone();
        let end = tail.filled();
        let mut locked = self.locked.lock();
        if !locked.state.ended() {
            locked.state.queue(Piece::Written { segment, start: 0, end });
            self.wake_puller(locked);
        }
    }

    fn wake_puller(&self, mut locked: MutexGuard<'_, Locked>) {
        if locked.in_flight() > locked.counts.peak {
            self.settle(&mut locked);
            locked.counts.peak = locked.counts.peak.max(locked.in_flight());
        }
        self.queued.store(locked.state.left(), Ordering::Relaxed);
        let puller = self.take_puller(&mut locked);
        drop(locked);
        wake(puller);
    }

    fn take_puller(&self, locked: &mut Locked) -> Option<Waker> {
        let puller = locked.puller.take();
        if puller.is_some() {
            self.attend(0, ASLEEP);
        }
        puller
    }

    /// Changes what a writer notices. To be called under the lock.
    fn attend(&self, set: u8, clear: u8) {
        let before = self.attention.value.load(Ordering::Relaxed);
        // ORDERING: release, so that a program that sees it sees what its host did before. No other change is lost, for
        // all of them are made under the lock.
        self.attention.value.store(before & !clear | set, Ordering::Release);
    }

    /// Says to the puller after how many bytes of those that it has taken ahead a writer that is held goes on. Says whether
    /// it has pulled them already. A puller that has taken nothing ahead comes for the next with the lock.
    fn hold(&self, locked: &Locked) -> bool {
        if !locked.is_ahead {
            return false;
        }
        let Some(Held { waker: Some(_), accepted }) = locked.writer else {
            self.progress.value.release();
            return false;
        };
        // For a place in the queue, with every chunk it is looked.
        let left = locked.state.until_resumed(accepted).unwrap_or(1).max(1);
        self.progress.value.hold(locked.seen.1.saturating_add(left))
    }

    /// Takes note of what the puller has counted without the lock.
    fn settle(&self, locked: &mut Locked) {
        // Most bridges never have more than a chunk: they need not fetch what the puller counts.
        if !locked.is_ahead {
            return;
        }
        let (chunks, bytes) = self.progress.value.get();
        let (chunks_seen, bytes_seen) = mem::replace(&mut locked.seen, (chunks, bytes));
        locked.state.pulled_ahead(chunks - chunks_seen, bytes - bytes_seen);
    }

    fn lock_settled(&self) -> MutexGuard<'_, Locked> {
        let mut locked = self.locked.lock();
        self.settle(&mut locked);
        locked
    }

    // The pulling side.

    /// How many chunks are known to be there, beside those that the puller has taken ahead.
    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// A chunk that is complete, or the end. What is still being written is left to grow, unless its writer is held and
    /// can write no more.
    pub(super) fn take_queued(&self, ahead: &mut Ahead) -> Option<Taken> {
        if let Some(taken) = self.take_from(ahead) {
            return Some(taken);
        }
        let locked = self.locked.lock();
        let held = locked.writer.as_ref().is_some_and(|held| held.waker.is_some());
        self.take(ahead, locked, held).ok()
    }

    /// Whatever has been written, complete or not; or the end.
    pub(super) fn take_written(&self, ahead: &mut Ahead) -> Option<Taken> {
        self.take_from(ahead).or_else(|| self.take(ahead, self.locked.lock(), true).ok())
    }

    /// The next of those that were taken ahead.
    fn take_from(&self, ahead: &mut Ahead) -> Option<Taken> {
        let (piece, resumes) = self.progress.value.pull(ahead)?;
        if resumes {
            let mut locked = self.lock_settled();
            let writer = locked.writer_to_wake();
            self.hold(&locked);
            drop(locked);
            wake(writer);
        }
        Some(Taken::Chunk(piece.into_bytes()))
    }

    /// Whatever has been written, complete or not; or the end; or else the puller is woken when there is one of them.
    pub(super) fn poll_take(&self, ahead: &mut Ahead, context: &Context<'_>) -> Poll<Taken> {
        if let Some(taken) = self.take_from(ahead) {
            return Poll::Ready(taken);
        }
        let mut locked = match self.take(ahead, self.locked.lock(), true) {
            Ok(taken) => return Poll::Ready(taken),
            Err(locked) => locked,
        };
        if let Some(waker) = &mut locked.puller
            && self.attention.value.load(Ordering::Relaxed) & ASLEEP != 0
        {
            // Since the flag was set and the barrier passed, every write into the open segment looks at the flag.
            if !waker.will_wake(context.waker()) {
                let before = mem::replace(waker, context.waker().clone());
                drop(locked);
                drop(before);
            }
            return Poll::Pending;
        }
        let before = locked.puller.replace(context.waker().clone());
        locked.counts.puller_waits += 1;
        self.attend(ASLEEP, 0);
        // Whoever opens a segment takes this lock after it, and looks at the flag after that.
        let open = locked.open.is_some();
        drop(locked);
        drop(before);
        if !open {
            return Poll::Pending;
        }
        self.barrier.heavy();
        match self.take(ahead, self.locked.lock(), true) {
            Ok(taken) => Poll::Ready(taken),
            Err(_) => Poll::Pending,
        }
    }

    /// The next chunk or the end; from the open segment only if `open` says so. Gives the lock back if there is neither. More
    /// chunks that are queued go to `ahead`, which is empty.
    fn take<'a>(
        &self,
        ahead: &mut Ahead,
        mut locked: MutexGuard<'a, Locked>,
        open: bool,
    ) -> Result<Taken, MutexGuard<'a, Locked>> {
        self.settle(&mut locked);
        locked.is_ahead = false;
        locked.counts.peak = locked.counts.peak.max(locked.in_flight());
        let piece = match locked.state.pull() {
            Some(piece) => piece,
            None => match open.then(|| locked.take_open()).flatten() {
                Some(piece) => {
                    locked.state.count(&piece);
                    piece
                }
                None => {
                    return match locked.state.tell_end() {
                        Some(end) => Ok(Taken::End(end.err())),
                        None => Err(locked),
                    };
                }
            },
        };
        let puller = self.take_puller(&mut locked);
        let others = locked.pulled(state::Piece::len(&piece));
        let writer = locked.writer_to_wake();
        // What is of a budget is given back with each chunk, under the lock.
        if locked.state.left() > 0 && locked.share.is_none() {
            locked.state.take_ahead(ahead);
            locked.is_ahead = true;
            locked.seen = (0, 0);
            self.progress.value.begin();
            self.hold(&locked);
        }
        self.queued.store(locked.state.left(), Ordering::Relaxed);
        drop(locked);
        drop(puller);
        wake(writer);
        others.into_iter().for_each(Waker::wake);
        Ok(Taken::Chunk(piece.into_bytes()))
    }
}

impl Locked {
    /// Of a segment that has been pulled to its end, and that no chunk keeps any more, the memory is used again from its
    /// beginning: a writer that is held again and again by a slow puller then needs no more than that.
    fn rewind(&mut self, tail: &mut Tail) {
        if let Some(open) = &mut self.open
            && open.start == tail.filled()
            && tail.rewind(&mut open.segment)
        {
            open.start = 0;
        }
    }

    /// What the open segment holds beyond what has been queued or taken.
    fn take_open(&mut self) -> Option<Piece> {
        let open = self.open.as_mut()?;
        let end = open.segment.published();
        let start = mem::replace(&mut open.start, end);
        (start < end).then(|| Piece::Written { segment: open.segment.clone(), start, end })
    }

    fn queue_open(&mut self) -> bool {
        let piece = self.take_open();
        let queued = piece.is_some();
        if let Some(piece) = piece {
            self.state.queue(piece);
        }
        queued
    }

    /// The waker of a held writer that goes on now.
    fn writer_to_wake(&mut self) -> Option<Waker> {
        let held = self.writer.as_mut()?;
        if self.state.resumes(held.accepted) { held.waker.take() } else { None }
    }

    /// How many bytes are accepted and not pulled.
    fn in_flight(&self) -> usize {
        let open = |open: &Open| open.segment.published() - open.start;
        self.state.queued_bytes() + self.open.as_ref().map_or(0, open)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
