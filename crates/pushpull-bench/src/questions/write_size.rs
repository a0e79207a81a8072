//! What does a byte cost, in small writes or in large ones?

use super::Trial;
use crate::contender::Sizes;
use crate::effort::Effort;
use crate::entry::Entry;
use crate::report::quantity;
use crate::run::workload::Watching;
use crate::workload::Workload;

const WRITES: [usize; 8] = [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];

pub fn trials(contenders: &[Entry], effort: Effort) -> Vec<Trial> {
    let of_write = |write: usize| {
        contenders.iter().map(move |contender| {
            let (name, workload) = (quantity::bytes(write as f64), Workload::of_writes(write));
            Trial::of_workload(name, contender, workload, Sizes::DEFAULT, Watching::Nothing, effort)
        })
    };
    WRITES.into_iter().flat_map(of_write).collect()
}
