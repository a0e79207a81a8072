//! What is measured: a way to carry bytes from a program that writes to its reader.

use std::fmt;
use std::io::{self, Write};
use std::num::NonZero;
use std::thread;

use bytes::Bytes;
use pushpull::Stats;
use serde::{Deserialize, Serialize};

/// Code that writes. It is a trait, not a closure, so that each contender compiles it for its own writer.
pub trait Program: Send + 'static {
    /// Writes everything.
    ///
    /// # Errors
    ///
    /// Returns the error of a write. A contender may end its bridge then.
    fn run(self, w: &mut impl Write) -> io::Result<()>;
}

/// The reading end of a bridge.
pub trait Bridge {
    /// Passes the next chunk to `take`. Returns `false` at the end.
    ///
    /// # Errors
    ///
    /// Returns the program's error, or one of the bridge.
    fn pull(&mut self, take: &mut dyn FnMut(&[u8])) -> io::Result<bool>;

    /// Returns the bridge's own statistics, if it has any.
    fn stats(&self) -> Option<Stats> {
        None
    }
}

/// The settings of a bridge, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Small writes are gathered up to this size.
    pub chunk: usize,
    /// The maximum that a bridge holds.
    pub capacity: usize,
}

impl Sizes {
    /// The defaults of the engines: chunks of 32 KiB, a capacity of 256 KiB.
    pub const DEFAULT: Sizes = Sizes { chunk: 32 << 10, capacity: 256 << 10 };

    /// Returns the length of a queue of chunks. Together with the chunk that is being gathered, the queue holds the
    /// capacity.
    pub fn places(self) -> usize {
        (self.capacity / self.chunk).saturating_sub(1).max(1)
    }
}

/// Where the programs of a contender run. Two that share a thread pause one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// On the thread of the reader.
    Reader,
    /// On a thread for each bridge.
    Thread,
    /// As tasks, on a thread for each processor.
    Workers,
}

impl Placement {
    /// Returns how many threads run a number of programs.
    pub(crate) fn threads(self, programs: usize) -> usize {
        match self {
            Placement::Reader => 1,
            Placement::Thread => programs,
            Placement::Workers => thread::available_parallelism().map_or(1, NonZero::get),
        }
    }
}

/// What a contender cannot do. A report lists it beside the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lack {
    /// It carries messages, so small writes are gathered by hand.
    Bytes,
    /// It holds as many bytes as the writer gives it, or as the system decides.
    Bound,
    /// It cannot wait: both sides poll it.
    Waiting,
    /// The reader cannot tell an end from a program that failed: that needs the result of its thread.
    Truncation,
}

impl Lack {
    pub(crate) const ALL: [Lack; 4] = [Lack::Bytes, Lack::Bound, Lack::Waiting, Lack::Truncation];
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lack::Bytes => "gather small writes",
            Lack::Bound => "be bounded in bytes",
            Lack::Waiting => "wait",
            Lack::Truncation => "tell the reader of a failure",
        })
    }
}

/// A description of a contender.
///
/// ```
/// use pushpull_bench::{About, Lack};
///
/// const RING: About = About::new("my ring").lacks(&[Lack::Bytes, Lack::Truncation]);
/// assert_eq!(RING.name, "my ring");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct About {
    /// The name in the report.
    pub name: &'static str,
    /// Whether it is an engine of pushpull, which is an error if it holds more than its capacity.
    pub is_engine: bool,
    /// Where its programs run.
    pub placement: Placement,
    /// What it cannot do.
    pub lacks: &'static [Lack],
}

impl About {
    /// Describes a contender that lacks nothing and runs each program on a thread of its own.
    pub const fn new(name: &'static str) -> About {
        About { name, is_engine: false, placement: Placement::Thread, lacks: &[] }
    }

    /// Sets what it cannot do.
    #[must_use]
    pub const fn lacks(self, lacks: &'static [Lack]) -> About {
        About { lacks, ..self }
    }

    /// Sets where its programs run.
    #[must_use]
    pub const fn placement(self, placement: Placement) -> About {
        About { placement, ..self }
    }

    /// Returns `true` if its sides wait for each other, and do not poll.
    pub fn waits(&self) -> bool {
        !self.lacks.contains(&Lack::Waiting)
    }

    /// Describes an engine of pushpull.
    pub(crate) const fn engine(name: &'static str, placement: Placement) -> About {
        About { name, is_engine: true, placement, lacks: &[] }
    }
}

/// A way to carry bytes from a program to its reader.
///
/// A queue of chunks is better described as a [`Queue`](crate::Queue): each one is a contender.
pub trait Contender: Clone + Send + Sync + 'static {
    /// Describes it.
    fn about(&self) -> About;

    /// Opens a bridge to this program.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses what the bridge needs, such as a thread.
    fn open(&self, sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>>;

    /// Moves one chunk many times, as it is. Returns how many bytes arrived, or `None` if it only takes bytes to copy.
    ///
    /// # Errors
    ///
    /// Returns an error if the bridge fails.
    fn hand_over(&self, chunk: Bytes, times: usize) -> Option<io::Result<usize>> {
        let _ = (chunk, times);
        None
    }
}
