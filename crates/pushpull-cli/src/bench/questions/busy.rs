//! How soon does a write arrive, and how much gets through, beside threads that never sleep?

use std::time::Duration;

use super::Trial;
use crate::bench::report::Case;
use pushpull_measure::busy::{self, Busy, NEIGHBOURS, Setting, WRITE};
use pushpull_measure::contender::{Sizes, Way};
use pushpull_measure::effort::Effort;
use pushpull_measure::neighbours::Processors;
use pushpull_measure::workload::Workload;

/// Each half of this measurement takes this many times as long as another run: a scheduler's time slice is
/// milliseconds.
const LONGER: u32 = 2;

/// Returns the trials, and the reasons for those left out.
pub fn trials(effort: Effort) -> (Vec<Trial>, Vec<String>) {
    let (mut trials, mut left_out) = (Vec::new(), Vec::new());
    // A quick run only checks that the measurement works.
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
