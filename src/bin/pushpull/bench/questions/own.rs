//! Which engine, chunk size and capacity for a case of one's own?

use super::Trial;
use crate::bench::measuring::contender::{Contender, Sizes, Way};
use crate::bench::measuring::effort::Effort;
use crate::bench::measuring::measure::Watching;
use crate::bench::measuring::workload::Workload;

const CAPACITIES: [usize; 4] = [32 << 10, 128 << 10, 256 << 10, 1 << 20];
const CHUNKS: [usize; 3] = [4 << 10, 32 << 10, 64 << 10];

/// Together the bridges may hold so much at the most.
const MEMORY: usize = 512 << 20;

/// More threads than most systems give.
const MOST_THREADS: usize = 10_000;

pub fn trials(workload: Workload, effort: Effort) -> Vec<Trial> {
    let mut trials = Vec::new();
    for contender in Contender::ALL {
        if contender.has_threads() && workload.bridges > MOST_THREADS {
            continue;
        }
        for sizes in settings(contender, workload.bridges) {
            let name = workload.to_string();
            trials.push(Trial::of_workload(name, contender, workload, sizes, Watching::Writes, effort));
        }
    }
    trials
}

fn settings(contender: Contender, bridges: usize) -> Vec<Sizes> {
    let usual = Sizes::DEFAULT;
    if contender == Contender::Local {
        return CHUNKS.map(|chunk| Sizes { chunk, ..usual }).to_vec();
    }
    if !contender.is_engine() {
        // For comparison, set as the engines are unless told otherwise.
        return vec![usual];
    }
    let all = CAPACITIES.into_iter().flat_map(|capacity| CHUNKS.map(|chunk| Sizes { chunk, capacity }));
    all.filter(|sizes| sizes.chunk <= sizes.capacity && sizes.capacity.saturating_mul(bridges) <= MEMORY).collect()
}
