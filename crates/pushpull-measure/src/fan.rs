//! Many bridges at once.

use std::io;

use super::contender::{Sizes, Way};
use super::figure::{Measure, Sample};
use super::measure::{self, Watching};
use super::pace::Pace;
use super::workload::Workload;

pub const BRIDGES: [usize; 5] = [1, 10, 100, 1000, 10_000];

/// A capacity smaller than what each bridge moves: programs are suspended in between, so that all bridges exist at
/// once.
pub const SIZES: Sizes = Sizes { chunk: 4 << 10, capacity: 8 << 10 };
const WRITE: usize = 1 << 10;
const BYTES: usize = 32 << 10;

pub fn workload(bridges: usize) -> Workload {
    Workload { write: WRITE, writer: Pace::Full, reader: Pace::Full, bridges }
}

/// Measures bridges at once, with the same number of bytes through each.
pub fn run(way: impl Way, bridges: usize) -> io::Result<Sample> {
    let mut sample = measure::run_writes(way, &workload(bridges), SIZES, (BYTES / WRITE) as u64, Watching::Nothing)?;
    let each = sample.get(&Measure::Throughput).map_or(0.0, |rate| BYTES as f64 / rate);
    sample.insert(Measure::Time, each);
    Ok(sample)
}
