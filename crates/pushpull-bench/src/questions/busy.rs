//! How soon does a write arrive, and how much gets through, beside threads that never sleep?

use std::time::Duration;

use super::Trial;
use crate::contender::{Placement, Sizes};
use crate::contenders::Pipe;
use crate::effort::Effort;
use crate::entry::Entry;
use crate::report::Case;
use crate::run::busy::{NEIGHBOURS, Setting, WRITE};
use crate::run::neighbours::Processors;
use crate::workload::Workload;

/// Each half of this measurement takes this many times as long as another run: a scheduler's time slice is
/// milliseconds.
const LONGER: u32 = 2;

/// Returns the trials, and the reasons for those left out.
pub fn trials(contenders: &[Entry], effort: Effort) -> (Vec<Trial>, Vec<String>) {
    let (mut trials, mut left_out) = (Vec::new(), Vec::new());
    let contenders = waiting(contenders);
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
            trials.extend(
                contenders
                    .iter()
                    .cloned()
                    .map(|contender| Trial::new(case.clone(), contender.about(), move || contender.busy(setting))),
            );
        }
    }
    (trials, left_out)
}

/// Returns the contenders of which a side waits for the other, with `pipe()` after the engines.
fn waiting(contenders: &[Entry]) -> Vec<Entry> {
    let waits = |contender: &&Entry| contender.about().placement != Placement::Reader;
    let mut waiting: Vec<Entry> = contenders.iter().filter(waits).cloned().collect();
    let engines = waiting.iter().take_while(|contender| contender.about().is_engine).count();
    if engines > 0 {
        waiting.insert(engines, Entry::new(Pipe));
    }
    waiting
}
