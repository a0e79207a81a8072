//! Where a program runs.
//!
//! | engine | the program runs | cost of a chunk | the ends are | a program that blocks |
//! |---|---|---|---|---|
//! | [`Local`] | on a coroutine of the thread that pulls | a few nanoseconds | `!Send` | blocks the thread that pulls |
//! | [`Pool`] | on a coroutine of a few worker threads | a fraction of a microsecond, or a wake-up | `Send` | blocks its worker's others |
//! | [`Thread`] | on a thread of its own | a fraction of a microsecond, or a thread's wake-up | `Send` | blocks nobody |
//!
//! Every engine keeps the same laws; `tests/laws.rs` states them.

mod filter;
mod generic;
mod launch;
mod local;
mod pool;
mod thread;
mod threads;

pub use filter::Filter;
pub use generic::{BridgeWriter, Engine};
pub use local::Local;
pub use pool::{Pool, Shutdown, ShutdownOutcome};
pub use thread::Thread;

pub(crate) use launch::{Launcher, pull, push};
