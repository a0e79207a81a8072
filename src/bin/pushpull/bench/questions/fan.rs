//! What do many bridges at once cost?

use super::Trial;
use crate::bench::contender::{Contender, Sizes};
use crate::bench::effort::Effort;
use crate::bench::figure::Measure;
use crate::bench::measure::{self, Watching};
use crate::bench::pace::Pace;
use crate::bench::report::Case;
use crate::bench::workload::Workload;

const BRIDGES: [usize; 5] = [1, 10, 100, 1000, 10_000];

/// More threads than this take longer to make than anybody waits.
const MOST_THREADS: usize = 1000;

/// Each bridge moves a few chunks and is held in between, so that all of them are there at the same time.
const WRITE: usize = 1 << 10;
const SIZES: Sizes = Sizes { chunk: 4 << 10, capacity: 8 << 10 };
const BYTES: usize = 32 << 10;

pub fn trials(effort: Effort) -> Vec<Trial> {
    let mut trials = Vec::new();
    for bridges in BRIDGES {
        for contender in Contender::ALL {
            if bridges > MOST_THREADS && contender.has_threads() {
                continue;
            }
            trials.push(trial(bridges, contender, effort));
        }
    }
    trials
}

fn trial(bridges: usize, contender: Contender, effort: Effort) -> Trial {
    let bridges = (bridges / effort.divisor).max(1);
    let workload = Workload { write: WRITE, writer: Pace::Full, reader: Pace::Full, bridges };
    Trial {
        case: Case::new(format!("{bridges}"), &workload, SIZES),
        contender: contender.name(),
        engine: contender.is_engine(),
        run: Box::new(move || {
            // As much for each bridge, however many there are.
            let times = (BYTES / WRITE) as u64;
            let mut sample = measure::run_writes(contender, &workload, SIZES, times, Watching::Nothing)?;
            let total = (bridges * BYTES) as f64;
            let each = sample.get(&Measure::Throughput).map_or(0.0, |rate| total / rate / bridges as f64);
            sample.insert(Measure::Time, each);
            Ok(sample)
        }),
    }
}
