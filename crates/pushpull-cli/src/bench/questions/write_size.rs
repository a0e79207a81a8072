//! What does a byte cost, in small writes or in large ones?

use super::Trial;
use pushpull_measure::contender::{Contender, Sizes};
use pushpull_measure::effort::Effort;
use pushpull_measure::measure::Watching;
use pushpull_measure::quantity;
use pushpull_measure::workload::Workload;

const WRITES: [usize; 8] = [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];

pub fn trials(effort: Effort) -> Vec<Trial> {
    let of_write = |write: usize| {
        Contender::ALL.map(|contender| {
            let (name, workload) = (quantity::bytes(write as f64), Workload::of_writes(write));
            Trial::of_workload(name, contender, workload, Sizes::DEFAULT, Watching::Nothing, effort)
        })
    };
    WRITES.into_iter().flat_map(of_write).collect()
}
