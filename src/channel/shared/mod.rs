//! What both sides of a channel share: the state behind its lock, what is published beside it, and the wakers.
//!
//! ```text
//!         taken ahead        queue         ring or growing chunk
//!       | chunk | chunk | chunk | chunk | chunk | chunk ... bytes |
//!   pulled: the reader's      queued: the lock's     accepted: the writer's
//! ```
//!
//! Each side has a position, which only grows. **Invariant:** `pulled <= queued <= accepted <= pulled + capacity`, in bytes,
//! and at most 1,024 chunks lie between `pulled` and `queued`. The bytes in flight are those from `pulled` to `accepted`.
//!
//! | position | moved by | published by | seen by |
//! |---|---|---|---|
//! | `accepted` | the writer | the length of the open segment (`segment.rs`) or the count of the ring (`ring.rs`) | either side, under the lock |
//! | `queued` | the holder of the lock: a chunk is complete, the ring is emptied, the reader takes a growing chunk | the lock | the holder of the lock |
//! | `pulled` | the reader | the lock, or `Progress` while it gives out chunks taken ahead (`ahead.rs`) | `Channel::settle` |
//! | `kept` | the first side that knows that the writer writes no more into a closed channel; once | the lock | either side |
//!
//! The lock is taken once or twice per chunk, not once per write. Beside it:
//!
//! - **Length, ring, progress:** stored with release after the bytes, slots and chunks that they count; loaded with
//!   acquire before these are used.
//! - **Is the reader asleep, or the channel closed?** The writer publishes, passes `membarrier::light`, and looks at
//!   `attention`. The other side sets a flag there under the lock, passes `membarrier::heavy` if the writer may publish
//!   without the lock, and looks at what was published once more.
//! - **Is the writer blocked?** It stores in `Progress`, under the lock, at which position it resumes, passes a full
//!   fence, and looks at the reader's. The reader publishes its position, passes a full fence every few chunks, and
//!   looks at the writer's.
//!
//! Nothing here blocks: a side that has to wait leaves its `Waker`. A waker is taken out under the lock, and woken or
//! dropped after it, since a waker may own anything, including this channel's ends.

mod ending;
mod pulling;
mod writing;

use std::io;
use std::mem;
use std::task::Waker;

use bytes::Bytes;

use super::ahead::Progress;
use super::ring::Consumer;
use super::segment::{Segment, Tail};
use super::state::{Flow, Piece};
use crate::budget::Share;
use crate::error::Error;
use crate::options::Options;
use crate::runtime::program::Program;
use crate::runtime::waker::{self, Watchers};
use crate::sync::Apart;
use crate::sync::{AtomicU8, AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::sys::fork::PerProcess;
use crate::sys::membarrier;

/// Set while the reader sleeps until something is written.
const ASLEEP: u8 = 1;
/// Set when written bytes can reach no reader.
const CLOSED: u8 = 2;

pub(super) use self::pulling::Begun;

#[derive(Debug)]
pub(crate) struct Channel {
    /// `ASLEEP` and `CLOSED`, which a writer must notice without the lock. Changed under the lock.
    attention: Apart<AtomicU8>,
    /// The number of queued pieces, for a reader that backs off. A hint: the true number is under the lock.
    queued: AtomicUsize,
    /// What the reader counts without the lock.
    progress: Apart<Progress>,
    locked: Mutex<Locked>,
    /// Used instead of `locked` in a forked child, if the program stayed with the parent.
    left_behind: PerProcess<Mutex<Locked>>,
    /// The program that writes into the channel or reads from it, if an engine runs one.
    pub(crate) program: Program,
}

#[derive(Debug)]
struct Locked {
    state: Flow,
    /// The total number of bytes that the reader gets. Decided after the channel is closed, when no writer is between a
    /// write and its look at the flag.
    kept: Option<u64>,
    /// Whether the reader gives out chunks taken ahead, and publishes how far it has pulled.
    batch: bool,
    open: Option<Open>,
    /// The ring for handed-over chunks, from the first row of them on.
    ring: Option<Consumer>,
    /// Whether chunks may be handed over through the ring without the lock. Then no segment is open.
    in_row: bool,
    puller: Option<Waker>,
    /// Whether the writer is blocked. It stays so until it has resumed.
    held: bool,
    /// The waker of a blocked writer, until it is woken.
    writer: Option<Waker>,
    /// The wakers that wait for the channel to be closed.
    watchers: Option<Box<Watchers>>,
    /// The share of a budget, if there is one.
    share: Option<Box<Share>>,
    /// With a budget: the total number of bytes that the writer may write, apart from writes that join the open
    /// segment.
    granted: u64,
    counts: Counts,
}

/// The counts beside those of pulled bytes and chunks.
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
    /// Where the bytes begin that were neither queued nor taken.
    start: usize,
}

/// The result of a pull.
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

    /// Changes the flags that a writer notices. Called under the lock.
    fn attend(&self, set: u8, clear: u8) {
        let before = self.attention.value.load(Ordering::Relaxed);
        // ORDERING: release, so that a program that sees the flag sees what its host did before. No other change is
        // lost, since all changes are made under the lock.
        self.attention.value.store(before & !clear | set, Ordering::Release);
    }

    /// Stores the number of pulled bytes at which a blocked writer resumes, for a reader with chunks taken ahead.
    /// Returns `true` if the reader has pulled them already. A reader without such chunks takes the lock for its next
    /// chunk.
    fn hold(&self, locked: &Locked) -> bool {
        if !locked.batch {
            return false;
        }
        if locked.writer.is_none() {
            self.progress.value.release();
            return false;
        }
        // If the writer waits for a place in the queue, the reader checks after every chunk.
        let left = locked.state.until_resumed(locked.growing()).unwrap_or(1).max(1);
        self.progress.value.hold(locked.state.pulled().bytes + left as u64)
    }

    /// Looks how far the reader has pulled.
    fn settle(&self, locked: &mut Locked) {
        // Most bridges never have more than one chunk, so they need not fetch the reader's position.
        if locked.batch {
            locked.state.see_pulled(self.progress.value.pulled());
        }
    }

    /// Takes the lock, without a look into the ring. If the program stayed with the parent of this forked process, its
    /// lock may never be released. The ends in this process then see a channel whose other end is gone.
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

    /// Takes the lock, to look at the queue or to add to it.
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
    fn new(state: Flow, share: Option<Box<Share>>) -> Locked {
        Locked {
            state,
            kept: None,
            batch: false,
            open: None,
            ring: None,
            in_row: false,
            puller: None,
            held: false,
            writer: None,
            watchers: None,
            share,
            granted: 0,
            counts: Counts::default(),
        }
    }

    /// Reuses the segment from its beginning, if it was pulled to its end and no chunk keeps it. So a writer that a
    /// slow reader blocks again and again needs one segment only.
    fn rewind(&mut self, tail: &mut Tail) {
        if let Some(open) = &mut self.open
            && open.start == tail.filled()
            && tail.rewind(&mut open.segment)
        {
            open.start = 0;
        }
    }

    /// Queues the chunks of the ring. They come after queued chunks, and before the bytes in the open segment.
    fn queue_handed(&mut self) {
        debug_assert!(!self.in_row || self.open.is_none(), "a row of chunks stays beside an open segment");
        if self.in_row
            && let Some(ring) = &mut self.ring
        {
            while let Some(bytes) = ring.take() {
                self.state.queue(Piece::Handed(bytes));
            }
        }
    }

    /// Returns `true` if the writer may publish something without the lock. Then a look that must miss nothing needs a
    /// barrier before it.
    fn is_lockless(&self) -> bool {
        self.open.is_some() || self.in_row
    }

    /// Takes the bytes of the open segment that were neither queued nor taken.
    fn take_open(&mut self) -> Option<Piece> {
        let open = self.open.as_mut()?;
        let end = open.segment.published();
        let start = mem::replace(&mut open.start, end);
        (start < end).then(|| Piece::Written { segment: open.segment.clone(), start, end })
    }

    /// Closes the open segment, and queues what is left of it. Returns `true` if something was left.
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

    /// Takes the waker of a blocked writer that can resume.
    fn writer_to_wake(&mut self) -> Option<Waker> {
        self.writer.as_ref()?;
        if self.state.resumes(self.growing()) { self.writer.take() } else { None }
    }

    /// Returns the number of accepted bytes that are not queued. They are in the open segment.
    fn growing(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.segment.published() - open.start)
    }

    /// Returns the number of bytes accepted and not pulled.
    fn in_flight(&self) -> usize {
        self.state.in_flight(self.growing())
    }

    /// Returns the total number of bytes accepted.
    fn accepted(&self) -> u64 {
        self.state.queued().bytes + self.growing() as u64
    }

    /// Returns how many more bytes the writer may write now.
    fn room(&self) -> usize {
        self.state.room(self.growing())
    }

    /// Returns `true` if a write of `len` bytes should wait for more room.
    fn too_little(&self, len: usize) -> bool {
        self.state.too_little(self.growing(), len)
    }
}
