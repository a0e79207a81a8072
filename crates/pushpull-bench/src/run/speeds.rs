//! Pairs of a writer and a reader of given speeds, and the settings of the bridge between them.

use std::time::Duration;

use crate::contender::{About, Lack, Placement, Sizes};
use crate::pace::Pace;
use crate::workload::Workload;

const WRITE: usize = 4096;

/// Much slower than a bridge, but fast enough for a run of some milliseconds.
const SLOW_WRITE: Pace = Pace::Paused { calls: 1, pause: Duration::from_micros(50) };
const SLOW_PULL: Pace = Pace::Paused { calls: 1, pause: Duration::from_micros(200) };

/// 128 KiB, or four chunks, between two pauses.
const WRITE_BURST: Pace = Pace::Paused { calls: 32, pause: Duration::from_millis(2) };
const PULL_BURST: Pace = Pace::Paused { calls: 4, pause: Duration::from_millis(1) };

/// The pairs of a writer and a reader.
pub const SPEEDS: [(&str, Workload); 4] = [
    ("fast/fast", Workload { write: WRITE, writer: Pace::Full, reader: Pace::Full, bridges: 1 }),
    ("fast/slow", Workload { write: WRITE, writer: Pace::Full, reader: SLOW_PULL, bridges: 1 }),
    ("slow/fast", Workload { write: WRITE, writer: SLOW_WRITE, reader: Pace::Full, bridges: 1 }),
    ("bursty", Workload { write: WRITE, writer: WRITE_BURST, reader: PULL_BURST, bridges: 1 }),
];

const CAPACITIES: [usize; 6] = [32 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20];
const CHUNKS: [usize; 4] = [4 << 10, 16 << 10, 32 << 10, 64 << 10];

/// Returns all capacities with the default chunk size, and all chunk sizes with the default capacity.
pub fn settings(contender: About) -> Vec<Sizes> {
    let usual = Sizes::DEFAULT;
    let chunks = CHUNKS.map(|chunk| Sizes { chunk, ..usual });
    let capacities = CAPACITIES.map(|capacity| Sizes { capacity, ..usual });
    match contender {
        About { placement: Placement::Reader, .. } => chunks.to_vec(),
        // It decides its capacity itself.
        About { lacks, .. } if lacks.contains(&Lack::Bound) => vec![usual],
        _ => capacities.into_iter().chain(chunks.into_iter().filter(|sizes| *sizes != usual)).collect(),
    }
}
