//! The contenders that come with this crate: the engines of pushpull, and what is written by hand today.

mod engines;
mod pipes;
mod queues;

pub use engines::{Local, Pipe, Pool, Thread};
pub use pipes::OsPipe;
#[cfg(feature = "peers")]
pub use pipes::{PipeCrate, Piper, Simplex};
#[cfg(feature = "peers")]
pub use queues::{AsyncChannel, Flume, Kanal, Rtrb, Thingbuf};
pub use queues::{Crossbeam, SyncChannel, TokioMpsc};

use crate::entry::Entry;

/// Returns the engines and, beside them, the channels and the pipe that most code uses.
pub fn usual() -> Vec<Entry> {
    vec![
        Entry::new(Local),
        Entry::new(Thread),
        Entry::new(Pool),
        Entry::new(Crossbeam),
        Entry::new(SyncChannel),
        Entry::new(TokioMpsc),
        Entry::new(OsPipe),
    ]
}

/// Returns the queues and pipes of other libraries that are not among the [`usual`] contenders.
#[cfg(feature = "peers")]
pub fn peers() -> Vec<Entry> {
    vec![
        Entry::new(Flume),
        Entry::new(Kanal),
        Entry::new(AsyncChannel),
        Entry::new(Thingbuf),
        Entry::new(Rtrb),
        Entry::new(Simplex),
        Entry::new(Piper),
        Entry::new(PipeCrate),
    ]
}
