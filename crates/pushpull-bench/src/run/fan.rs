//! Many bridges at once.

use std::io;

use crate::contender::Sizes;
use crate::entry::Entry;
use crate::pace::Pace;
use crate::report::figure::{Measure, Sample};
use crate::run::workload::Watching;
use crate::workload::Workload;

/// The numbers of bridges to measure.
pub const BRIDGES: [usize; 5] = [1, 10, 100, 1000, 10_000];

/// A capacity smaller than what each bridge moves: programs are suspended in between, so that all bridges exist at
/// once.
pub const SIZES: Sizes = Sizes { chunk: 4 << 10, capacity: 8 << 10 };
const WRITE: usize = 1 << 10;
const BYTES: usize = 32 << 10;

/// Returns the workload of a number of bridges.
pub fn workload(bridges: usize) -> Workload {
    Workload { write: WRITE, writer: Pace::Full, reader: Pace::Full, bridges }
}

/// Measures bridges at once, with the same number of bytes through each.
pub fn run(contender: &Entry, bridges: usize) -> io::Result<Sample> {
    let mut sample = contender.run(&workload(bridges), SIZES, (BYTES / WRITE) as u64, Watching::Nothing)?;
    let each = sample.get(&Measure::Throughput).map_or(0.0, |rate| BYTES as f64 / rate);
    sample.insert(Measure::Time, each);
    Ok(sample)
}
