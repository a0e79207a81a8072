//! What is asked of a bridge: how large the writes are, how fast both sides, and how many bridges there are at once.

use super::contender::Sizes;
use super::effort::Effort;
use super::pace::Pace;
use super::quantity;
use std::fmt;
use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// The length of a write.
    pub write: usize,
    /// What the program does between its writes.
    pub writer: Pace,
    /// What the host does between its pulls of a bridge.
    pub reader: Pace,
    /// How many there are at the same time.
    pub bridges: usize,
}

/// A write may be no longer: it is repeated, and memory is not what is asked about.
const LONGEST_WRITE: usize = 16 << 20;

const MAX_BRIDGES: usize = 100_000;

/// So many bytes make a run through all bridges together at full speed: some milliseconds.
const FULL_SPEED: std::ops::RangeInclusive<usize> = 2 << 20..=64 << 20;

/// And so many at the most where the reader is slow: what is full has to be emptied, and filled again.
const MAX_TRAFFIC: usize = 512 << 20;

/// How many writes at full speed are worth a measurement.
const WRITES: usize = 1 << 15;

impl Workload {
    /// One bridge at full speed.
    pub fn of_writes(write: usize) -> Workload {
        Workload { write, writer: Pace::Full, reader: Pace::Full, bridges: 1 }
    }

    /// How many writes each bridge gets, so that a run takes about so long, and fills the capacity more than once where
    /// the host is slow.
    pub fn writes(&self, sizes: Sizes, effort: Effort) -> u64 {
        let full = (self.write.saturating_mul(WRITES)).clamp(*FULL_SPEED.start(), *FULL_SPEED.end());
        let mut writes = (full / effort.divisor / self.bridges / self.write) as u64;
        let calls =
            |pace: Pace| effort.run.as_nanos().checked_div(pace.per_call().as_nanos()).map(|calls| calls as u64);
        if let Some(calls) = calls(self.writer) {
            writes = writes.min(calls);
        }
        if let Some(calls) = calls(self.reader) {
            // Or else many bridges would all be done before one of them is full.
            let bytes =
                (calls * sizes.chunk as u64).max(2 * sizes.capacity as u64).min((MAX_TRAFFIC / self.bridges) as u64);
            let of_reader = bytes / self.write as u64;
            writes = if self.writer == Pace::Full { of_reader } else { writes.min(of_reader) };
        }
        writes.max(4)
    }
}

/// `write=4096,writer=16x1ms,reader=10ms,bridges=1000`, each of them where it is not as usual.
impl FromStr for Workload {
    type Err = String;

    fn from_str(text: &str) -> Result<Workload, String> {
        let mut workload = Workload::of_writes(4096);
        for part in text.split(',') {
            let Some((name, value)) = part.split_once('=') else {
                return Err(format!("{part:?} is no NAME=VALUE of a workload"));
            };
            match name {
                "write" => workload.write = within(name, quantity::parse_bytes(value)?, LONGEST_WRITE)?,
                "bridges" => {
                    let count = value.parse().map_err(|_| format!("{value:?} is no number of bridges"))?;
                    workload.bridges = within(name, count, MAX_BRIDGES)?;
                }
                "writer" => workload.writer = value.parse()?,
                "reader" => workload.reader = value.parse()?,
                _ => return Err(format!("a workload has write, writer, reader and bridges, and no {name:?}")),
            }
        }
        Ok(workload)
    }
}

fn within(name: &str, value: usize, most: usize) -> Result<usize, String> {
    if (1..=most).contains(&value) { Ok(value) } else { Err(format!("{name}={value} is not from 1 to {most}")) }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Workload { write, writer, reader, bridges } = self;
        write!(f, "write={write},writer={writer},reader={reader},bridges={bridges}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn workloads_are_read_as_they_are_written() {
        let text = "write=64,writer=16x2ms,reader=10ms,bridges=1000";
        let workload: Workload = text.parse().unwrap();
        assert_eq!((workload.write, workload.bridges), (64, 1000));
        assert_eq!(workload.to_string(), text);
        assert_eq!("write=4KiB".parse(), Ok(Workload::of_writes(4096)));
        let wrong =
            ["", "write", "write=", "write=0", "write=1GiB", "bridges=0", "bridges=1e9", "reader=fast", "color=red"];
        for text in wrong {
            assert!(text.parse::<Workload>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_run_is_as_long_as_its_slower_side_allows() {
        let effort = Effort::full(Duration::from_secs(60));
        let slow = |text: &str| text.parse::<Workload>().unwrap().writes(Sizes::DEFAULT, effort);
        assert_eq!(slow("write=4096,writer=1ms"), 20);
        // Two capacities' worth at least.
        assert_eq!(slow("write=4096,reader=10ms"), 128);
        assert_eq!(slow("write=4096,reader=100us"), 200 * 8);
        assert_eq!(slow("write=4096,reader=10ms,bridges=1000"), 128);
        assert_eq!(slow("write=4096,reader=10ms,bridges=100000"), 4);
        assert_eq!(slow("write=16MiB"), 4);
        assert_eq!(slow("write=64,bridges=100000"), 4);
    }
}
