//! What several benchmarks share.

pub mod cores;

use pushpull_bench::{Entry, Placement, contenders};

/// Returns every contender, but none that polls where others wait.
pub fn contenders() -> Vec<Entry> {
    contenders::usual().into_iter().chain(contenders::peers()).filter(|entry| entry.about().waits()).collect()
}

/// Returns those of them with a thread or a worker for the program.
pub fn between_threads() -> Vec<Entry> {
    let is_between = |entry: &Entry| entry.about().placement != Placement::Reader;
    contenders().into_iter().filter(is_between).collect()
}
