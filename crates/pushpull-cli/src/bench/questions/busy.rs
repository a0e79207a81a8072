//! How soon does a write arrive, and how much gets through, beside threads that compute and never wait?

use std::time::Duration;

use super::Trial;
use crate::bench::report::Case;
use pushpull_measure::busy::{self, Busy, NEIGHBOURS, Setting, WRITE};
use pushpull_measure::contender::{Sizes, Way};
use pushpull_measure::effort::Effort;
use pushpull_measure::neighbours::Processors;
use pushpull_measure::workload::Workload;

/// How much longer than another run one half takes: the scheduler's turns are some milliseconds each.
const LONGER: u32 = 2;

/// The trials, and why some are left out.
pub fn trials(effort: Effort) -> (Vec<Trial>, Vec<String>) {
    let (mut trials, mut left_out) = (Vec::new(), Vec::new());
    // To see that it works, a few are enough.
    let neighbours = if effort.divisor == 1 { &NEIGHBOURS[..] } else { &NEIGHBOURS[..1] };
    for processors in Processors::ALL {
        let name = processors.name();
        if let Err(error) = processors.enter() {
            left_out.push(format!("busy threads on {name}: {error}"));
            continue;
        }
        for &neighbours in neighbours {
            let case = Case {
                neighbours,
                ..Case::new(format!("{neighbours} on {name}"), &Workload::of_writes(WRITE), Sizes::DEFAULT)
            };
            let setting = Setting { processors, neighbours, time: (effort.run * LONGER).max(Duration::from_millis(1)) };
            trials.extend(Busy::ALL.map(|contender| Trial {
                case: case.clone(),
                contender: contender.name(),
                engine: contender.is_engine(),
                run: Box::new(move || busy::run(contender, setting)),
            }));
        }
    }
    (trials, left_out)
}
