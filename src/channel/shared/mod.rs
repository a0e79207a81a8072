//! The bounded queue itself: the state behind its lock, the open segment beside it, and who waits for whom.
//!
//! A writer takes the lock once or twice a chunk, not once a write: in between it fills the open segment (see `segment.rs`), or
//! hands over chunks through a ring (`ring.rs`), and looks at one flag. Nothing here blocks; a side that has to wait leaves its
//! `Waker`. A waker is taken out under the lock, and woken or dropped after it: it may own anything, this channel's ends too.

mod closed;
mod ending;
mod look;
mod pulling;
mod share;
mod writing;

use std::io;
use std::mem;
use std::task::Waker;

use bytes::Bytes;

use super::ahead::Progress;
use super::piece::Piece;
use super::ring::Consumer;
use super::segment::{Segment, Tail};
use super::state::Flow;
use crate::budget::Share;
use crate::error::Error;
use crate::options::Options;
use crate::runtime::program::Program;
use crate::runtime::waker::{self, Watchers};
use crate::sync::Apart;
use crate::sync::{AtomicU8, AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::sys::fork::PerProcess;
use crate::sys::membarrier;

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
    locked: Mutex<Locked>,
    /// In its place in a child process, whose parent's program this is.
    left_behind: PerProcess<Mutex<Locked>>,
    /// Who writes into it or reads from it, where an engine runs that.
    pub(crate) program: Program,
}

#[derive(Debug)]
struct Locked {
    state: Flow<Piece>,
    /// How many bytes the reader gets in all, once the channel is closed.
    kept: Option<u64>,
    /// The writing side has ended, and what was published by then is not queued yet.
    unsettled: bool,
    /// The puller has taken chunks ahead and has not come back for more since: so many chunks and bytes of its progress with
    /// them are known to `state`.
    seen: Option<(usize, usize)>,
    open: Option<Open>,
    /// What the writer hands over in a row, without the lock, while it does.
    ring: Option<Consumer>,
    puller: Option<Waker>,
    writer: Option<HeldWriter>,
    /// Who waits for the channel to be closed, if anybody does.
    watchers: Option<Box<Watchers>>,
    /// Of a budget, if it has one.
    share: Option<Box<Share>>,
    /// With a budget: how many bytes in all the writer has been told that it may write, in writes that fill no rest.
    granted: u64,
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
    segment: Segment,
    /// Where what has been neither queued nor taken begins.
    start: usize,
}

/// A writer that was held, until it goes on.
#[derive(Debug)]
struct HeldWriter {
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
        let mut state = Flow::new(options.capacity());
        membarrier::prepare();
        let share = options.budget().map(|budget| Box::new(Share::new(budget, options.chunk_size())));
        if let Some(share) = &share {
            state.limit(share.limit());
        }
        Channel {
            attention: Apart::new(AtomicU8::new(0)),
            queued: AtomicUsize::new(0),
            progress: Apart::new(Progress::new(options.capacity())),
            locked: Mutex::new(Locked::new(state, share)),
            left_behind: PerProcess::new(),
            program: Program::new(options),
        }
    }

    fn wake_puller(&self, mut locked: MutexGuard<'_, Locked>) {
        self.note_peak(&mut locked);
        self.queued.store(locked.state.left(), Ordering::Relaxed);
        let puller = self.take_puller(&mut locked);
        drop(locked);
        waker::wake(puller);
    }

    fn note_peak(&self, locked: &mut Locked) {
        if locked.in_flight() > locked.counts.peak {
            self.settle(locked);
            locked.counts.peak = locked.counts.peak.max(locked.in_flight());
        }
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
        let Some((_, pulled)) = locked.seen else { return false };
        let Some(HeldWriter { waker: Some(_), accepted }) = locked.writer else {
            self.progress.value.release();
            return false;
        };
        // For a place in the queue, with every chunk it is looked.
        let left = locked.state.until_resumed(accepted).unwrap_or(1).max(1);
        self.progress.value.hold(pulled.saturating_add(left))
    }

    /// Takes note of what the puller has counted without the lock.
    fn settle(&self, locked: &mut Locked) {
        // Most bridges never have more than a chunk: they need not fetch what the puller counts.
        let Some((chunks_seen, bytes_seen)) = locked.seen else { return };
        let (chunks, bytes) = self.progress.value.get();
        locked.seen = Some((chunks, bytes));
        locked.state.pulled_ahead(chunks - chunks_seen, bytes - bytes_seen);
    }

    /// The lock as it is. If the program was left behind in the parent of this process, its own may be locked for ever: the
    /// ends that are here see a channel whose other end is gone.
    fn lock_bare(&self) -> MutexGuard<'_, Locked> {
        if self.program.is_left_behind() { self.lock_left_behind() } else { self.locked.lock() }
    }

    #[cold]
    fn lock_left_behind(&self) -> MutexGuard<'_, Locked> {
        let ended = || {
            self.attend(CLOSED, 0);
            let mut locked = Locked::new(Flow::new(1), None);
            locked.state.end(Err(Error::disconnected()));
            locked.kept = Some(0);
            Mutex::new(locked)
        };
        self.left_behind.get(ended).lock()
    }

    /// The lock, for whoever looks at what is queued or adds to it.
    fn lock(&self) -> MutexGuard<'_, Locked> {
        let mut locked = self.lock_bare();
        locked.queue_handed();
        locked
    }

    fn lock_settled(&self) -> MutexGuard<'_, Locked> {
        let mut locked = self.lock();
        self.settle(&mut locked);
        locked
    }
}

impl Locked {
    fn new(state: Flow<Piece>, share: Option<Box<Share>>) -> Locked {
        Locked {
            state,
            kept: None,
            unsettled: false,
            seen: None,
            open: None,
            ring: None,
            puller: None,
            writer: None,
            watchers: None,
            share,
            granted: 0,
            counts: Counts::default(),
        }
    }

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

    /// What was handed over without the lock comes after what is queued, and before what is in the open segment.
    fn queue_handed(&mut self) {
        let Some(ring) = &mut self.ring else { return };
        while let Some(bytes) = ring.take() {
            self.state.queue(Piece::Handed(bytes));
        }
    }

    /// What the open segment holds beyond what has been queued or taken.
    fn take_open(&mut self) -> Option<Piece> {
        let open = self.open.as_mut()?;
        let end = open.segment.published();
        let start = mem::replace(&mut open.start, end);
        (start < end).then(|| Piece::Written { segment: open.segment.clone(), start, end })
    }

    /// The open segment is complete: queues what is left of it.
    fn close_open(&mut self) -> bool {
        let Some(Open { segment, start }) = self.open.take() else { return false };
        let end = segment.published();
        if start < end {
            self.state.queue(Piece::Written { segment, start, end });
        }
        start < end
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
