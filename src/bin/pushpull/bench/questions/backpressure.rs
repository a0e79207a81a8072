//! What do capacity and chunk size do, where one side is faster than the other?

use std::time::Duration;

use super::Trial;
use crate::bench::contender::{Contender, Sizes};
use crate::bench::effort::Effort;
use crate::bench::measure::Watching;
use crate::bench::pace::Pace;
use crate::bench::workload::Workload;

const WRITE: usize = 4096;

/// Much slower than a bridge, and no slower than a run of some milliseconds can wait for.
const SLOW_WRITE: Pace = Pace::Paused { calls: 1, pause: Duration::from_micros(50) };
const SLOW_PULL: Pace = Pace::Paused { calls: 1, pause: Duration::from_micros(200) };

/// 128 KiB at a time, or four chunks.
const WRITE_BURST: Pace = Pace::Paused { calls: 32, pause: Duration::from_millis(2) };
const PULL_BURST: Pace = Pace::Paused { calls: 4, pause: Duration::from_millis(1) };

/// Pairs of a writer and a reader.
pub const SPEEDS: [(&str, Workload); 4] = [
    ("fast/fast", Workload { write: WRITE, writer: Pace::Full, reader: Pace::Full, bridges: 1 }),
    ("fast/slow", Workload { write: WRITE, writer: Pace::Full, reader: SLOW_PULL, bridges: 1 }),
    ("slow/fast", Workload { write: WRITE, writer: SLOW_WRITE, reader: Pace::Full, bridges: 1 }),
    ("bursty", Workload { write: WRITE, writer: WRITE_BURST, reader: PULL_BURST, bridges: 1 }),
];

const CAPACITIES: [usize; 6] = [32 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20];
const CHUNKS: [usize; 4] = [4 << 10, 16 << 10, 32 << 10, 64 << 10];

pub fn trials(effort: Effort) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, workload) in SPEEDS {
        for contender in Contender::ALL {
            let sizes = settings(contender);
            let trial = |sizes| Trial::of_workload(name, contender, workload, sizes, Watching::Writes, effort);
            trials.extend(sizes.into_iter().map(trial));
        }
    }
    trials
}

/// The capacities with the usual chunk, and the chunks with the usual capacity.
fn settings(contender: Contender) -> Vec<Sizes> {
    let usual = Sizes::DEFAULT;
    let chunks = CHUNKS.map(|chunk| Sizes { chunk, ..usual });
    let capacities = CAPACITIES.map(|capacity| Sizes { capacity, ..usual });
    match contender {
        Contender::Local => chunks.to_vec(),
        // What it holds is the system's to say.
        Contender::OsPipe => vec![usual],
        _ => capacities.into_iter().chain(chunks.into_iter().filter(|sizes| *sizes != usual)).collect(),
    }
}
