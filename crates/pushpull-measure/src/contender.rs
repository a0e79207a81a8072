//! Ways to carry what a program writes to who pulls it: the engines, and what is written by hand today. All of them run
//! the same programs, cut alike, and hold alike.

use std::io::{self, Write};

use pushpull::Stats;

use super::by_hand;
use super::engines;

/// Code that writes. A trait of its own, and not a closure, so that each contender compiles it for its own writer.
pub trait Program: Send + 'static {
    fn run(self, w: &mut impl Write) -> io::Result<()>;
}

/// The pulling end.
pub trait Bridge {
    /// Gives the next chunk to `take`. False at the end.
    fn pull(&mut self, take: &mut dyn FnMut(&[u8])) -> io::Result<bool>;

    /// What the bridge itself has counted.
    fn stats(&self) -> Option<Stats> {
        None
    }
}

/// How a bridge is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    pub chunk: usize,
    pub capacity: usize,
}

impl Sizes {
    /// The defaults of the engines.
    pub const DEFAULT: Sizes = Sizes { chunk: 32 << 10, capacity: 256 << 10 };

    /// How many places a queue of chunks has: with the chunk that is being gathered, it holds as much as the capacity.
    pub fn places(self) -> usize {
        (self.capacity / self.chunk).saturating_sub(1).max(1)
    }
}

/// A way to carry what a program writes.
pub trait Way: Copy + 'static {
    /// Whether it is one of ours.
    fn is_engine(self) -> bool;

    /// Whether a writer that is held is a task, which is woken beside any thread.
    fn holds_tasks(self) -> bool {
        false
    }

    /// A bridge with this program at its other end.
    fn open(self, sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    Local,
    Thread,
    Pool,
    Crossbeam,
    SyncChannel,
    TokioMpsc,
    OsPipe,
}

impl Contender {
    pub const ALL: [Contender; 7] = [
        Contender::Local,
        Contender::Thread,
        Contender::Pool,
        Contender::Crossbeam,
        Contender::SyncChannel,
        Contender::TokioMpsc,
        Contender::OsPipe,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Contender::Local => "Local",
            Contender::Thread => "Thread",
            Contender::Pool => "Pool",
            Contender::Crossbeam => "crossbeam",
            Contender::SyncChannel => "sync_channel",
            Contender::TokioMpsc => "tokio mpsc",
            Contender::OsPipe => "io::pipe",
        }
    }

    /// Whether a bridge of it has a thread of its own.
    pub fn has_threads(self) -> bool {
        !matches!(self, Contender::Local | Contender::Pool)
    }
}

impl Way for Contender {
    fn is_engine(self) -> bool {
        matches!(self, Contender::Local | Contender::Thread | Contender::Pool)
    }

    fn holds_tasks(self) -> bool {
        self == Contender::Pool
    }

    fn open(self, sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
        Ok(match self {
            Contender::Local => engines::local(sizes, program),
            Contender::Thread => engines::thread(sizes, program),
            Contender::Pool => engines::pool(sizes, program),
            Contender::Crossbeam => by_hand::crossbeam(sizes, program)?,
            Contender::SyncChannel => by_hand::sync_channel(sizes, program)?,
            Contender::TokioMpsc => by_hand::tokio_mpsc(sizes, program)?,
            Contender::OsPipe => by_hand::os_pipe(sizes, program)?,
        })
    }
}
