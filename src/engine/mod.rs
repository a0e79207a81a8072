//! The engines: where a program runs.
//!
//! | engine | the program runs | cost of a chunk | the ends are | a program that blocks |
//! |---|---|---|---|---|
//! | [`Local`] | on a coroutine of the reading thread | a few nanoseconds | `!Send` | blocks the reading thread |
//! | [`Pool`] | on a coroutine of a few worker threads | < 1 µs, or a wake-up | `Send` | blocks its worker |
//! | [`Thread`] | on its own thread | < 1 µs, or a wake-up | `Send` | blocks only itself |
//!
//! Every engine keeps the same laws; `tests/suite/laws.rs` states them.
//!
//! The files, in the order in which a bridge is made:
//!
//! 1. `local`, `thread`, `pool`: the engines, with their options and verbs; `generic`: the traits over all of them.
//! 2. `filter`: a program that has neither a source nor a sink yet.
//! 3. `launch`: the bridge around a program of `Thread` or `Pool`, and the job that starts it.
//! 4. `threads`: the threads on which `Thread` runs jobs. `pool/workers` is the same for `Pool`.

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
