//! The ways to carry bytes from a program to its reader: the engines, and what is written by hand today. All of them
//! run the same programs, with the same chunks and capacities.

use std::io::{self, Write};

use pushpull::Stats;

use super::by_hand;
use super::engines;

/// Code that writes. It is a trait, not a closure, so that each contender compiles it for its own writer.
pub trait Program: Send + 'static {
    fn run(self, w: &mut impl Write) -> io::Result<()>;
}

/// The reading end of a bridge.
pub trait Bridge {
    /// Passes the next chunk to `take`. Returns `false` at the end.
    fn pull(&mut self, take: &mut dyn FnMut(&[u8])) -> io::Result<bool>;

    /// Returns the bridge's own statistics, if it has any.
    fn stats(&self) -> Option<Stats> {
        None
    }
}

/// The settings of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    pub chunk: usize,
    pub capacity: usize,
}

impl Sizes {
    /// The defaults of the engines.
    pub const DEFAULT: Sizes = Sizes { chunk: 32 << 10, capacity: 256 << 10 };

    /// Returns the length of a queue of chunks. Together with the chunk that is being gathered, the queue holds the
    /// capacity.
    pub fn places(self) -> usize {
        (self.capacity / self.chunk).saturating_sub(1).max(1)
    }
}

/// A way to carry bytes from a program to its reader.
pub trait Way: Copy + 'static {
    /// Returns `true` for an engine of pushpull.
    fn is_engine(self) -> bool;

    /// Returns `true` if a blocked writer is a task. Waking a task does not show in the context switches of threads.
    fn holds_tasks(self) -> bool {
        false
    }

    /// Opens a bridge to this program.
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

    /// Returns `true` if each bridge has a thread.
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
