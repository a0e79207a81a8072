//! A workload: the size of writes, the pace of both sides, and the number of bridges.

use std::fmt;
use std::str::FromStr;

use crate::contender::Sizes;
use crate::effort::Effort;
use crate::pace::Pace;
use crate::report::quantity;

/// What the program and the reader of each bridge do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// The size of a write.
    pub write: usize,
    /// The pace of the program's writes.
    pub writer: Pace,
    /// The pace of the reader's pulls from a bridge.
    pub reader: Pace,
    /// The number of bridges at the same time.
    pub bridges: usize,
}

/// The maximum size of a write: the write is repeated from memory.
const LONGEST_WRITE: usize = 16 << 20;

const MAX_BRIDGES: usize = 100_000;

/// The bytes of a run at full speed, through all bridges together: a run takes some milliseconds.
const FULL_SPEED: std::ops::RangeInclusive<usize> = 2 << 20..=64 << 20;

/// The maximum bytes of a run with a slow reader: a full bridge has to be emptied and filled again.
const MAX_TRAFFIC: usize = 512 << 20;

/// The number of writes at full speed that makes a measurement.
const WRITES: usize = 1 << 15;

impl Workload {
    /// Creates the workload of one bridge at full speed.
    pub fn of_writes(write: usize) -> Workload {
        Workload { write, writer: Pace::Full, reader: Pace::Full, bridges: 1 }
    }

    /// Returns the number of writes to each bridge. A run then takes about `effort.run`, and fills the capacity more
    /// than once if the reader is slow.
    pub fn writes(&self, sizes: Sizes, effort: Effort) -> u64 {
        let full = (self.write.saturating_mul(WRITES)).clamp(*FULL_SPEED.start(), *FULL_SPEED.end());
        let mut writes = (full / effort.divisor / self.bridges / self.write) as u64;
        let calls =
            |pace: Pace| effort.run.as_nanos().checked_div(pace.per_call().as_nanos()).map(|calls| calls as u64);
        if let Some(calls) = calls(self.writer) {
            writes = writes.min(calls);
        }
        if let Some(calls) = calls(self.reader) {
            // With fewer bytes, each of many bridges would finish before it is full.
            let bytes =
                (calls * sizes.chunk as u64).max(2 * sizes.capacity as u64).min((MAX_TRAFFIC / self.bridges) as u64);
            let of_reader = bytes / self.write as u64;
            writes = if self.writer == Pace::Full { of_reader } else { writes.min(of_reader) };
        }
        writes.max(4)
    }
}

/// Parses `write=4096,writer=16x1ms,reader=10ms,bridges=1000`. Each part is optional. An error says what is expected.
impl FromStr for Workload {
    type Err = String;

    fn from_str(text: &str) -> Result<Workload, String> {
        let mut workload = Workload::of_writes(4096);
        let mut names = Vec::new();
        for part in text.split(',') {
            let Some((name, value)) = part.split_once('=') else {
                return Err(format!("expected NAME=VALUE, got {part:?}"));
            };
            if names.contains(&name) {
                return Err(format!("expected each name once, got {name:?} twice"));
            }
            names.push(name);
            match name {
                "write" => workload.write = within(name, quantity::parse_bytes(value)?, LONGEST_WRITE)?,
                "bridges" => {
                    let count =
                        value.parse().map_err(|_| format!("expected {name} from 1 to {MAX_BRIDGES}, got {value:?}"))?;
                    workload.bridges = within(name, count, MAX_BRIDGES)?;
                }
                "writer" => workload.writer = value.parse()?,
                "reader" => workload.reader = value.parse()?,
                _ => return Err(format!("expected write, writer, reader or bridges, got {name:?}")),
            }
        }
        Ok(workload)
    }
}

fn within(name: &str, value: usize, most: usize) -> Result<usize, String> {
    if (1..=most).contains(&value) { Ok(value) } else { Err(format!("expected {name} from 1 to {most}, got {value}")) }
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
    fn workloads_parse_back_as_they_are_displayed() {
        let text = "write=64,writer=16x2ms,reader=10ms,bridges=1000";
        let workload: Workload = text.parse().unwrap();
        assert_eq!((workload.write, workload.bridges), (64, 1000));
        assert_eq!(workload.to_string(), text);
        assert_eq!("write=4KiB".parse(), Ok(Workload::of_writes(4096)));
        let wrong = [
            "",
            "write",
            "write=",
            "write=0",
            "write=1GiB",
            "write=1,write=2",
            "bridges=0",
            "reader=fast",
            "color=red",
        ];
        for text in wrong {
            assert!(text.parse::<Workload>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_slower_side_limits_the_writes() {
        let effort = Effort::full(Duration::from_secs(60));
        let slow = |text: &str| text.parse::<Workload>().unwrap().writes(Sizes::DEFAULT, effort);
        assert_eq!(slow("write=4096,writer=1ms"), 20);
        // At least twice the capacity.
        assert_eq!(slow("write=4096,reader=10ms"), 128);
        assert_eq!(slow("write=4096,reader=100us"), 200 * 8);
        assert_eq!(slow("write=4096,reader=10ms,bridges=1000"), 128);
        assert_eq!(slow("write=4096,reader=10ms,bridges=100000"), 4);
        assert_eq!(slow("write=16MiB"), 4);
        assert_eq!(slow("write=64,bridges=100000"), 4);
    }
}
