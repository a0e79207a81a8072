//! Which engine, chunk size and capacity for a case of one's own?

use std::iter;

use super::Trial;
use crate::bench::measuring::contender::{Contender, Sizes, Way};
use crate::bench::measuring::effort::Effort;
use crate::bench::measuring::measure::Watching;
use crate::bench::measuring::pace::Pace;
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
        for sizes in settings(contender, &workload) {
            let name = workload.to_string();
            trials.push(Trial::of_workload(name, contender, workload, sizes, Watching::Writes, effort));
        }
    }
    trials
}

fn settings(contender: Contender, workload: &Workload) -> Vec<Sizes> {
    let usual = Sizes::DEFAULT;
    if contender == Contender::Local {
        return CHUNKS.map(|chunk| Sizes { chunk, ..usual }).to_vec();
    }
    if !contender.is_engine() {
        // For comparison, set as the engines are unless told otherwise; and so that each write arrives at once, as it does
        // from them.
        let each = Sizes { chunk: workload.write, ..usual };
        let gathers = workload.write < usual.chunk && workload.writer != Pace::Full;
        return iter::once(usual).chain(gathers.then_some(each)).collect();
    }
    let all = CAPACITIES.into_iter().flat_map(|capacity| CHUNKS.map(|chunk| Sizes { chunk, capacity }));
    let fits =
        |sizes: &Sizes| sizes.chunk <= sizes.capacity && sizes.capacity.saturating_mul(workload.bridges) <= MEMORY;
    all.filter(fits).collect()
}
