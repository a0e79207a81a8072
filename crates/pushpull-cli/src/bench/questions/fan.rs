//! What do many bridges at once cost?

use super::Trial;
use crate::bench::report::Case;
use pushpull_measure::contender::{Contender, Way};
use pushpull_measure::effort::Effort;
use pushpull_measure::fan::{self, BRIDGES, SIZES};

/// More threads take too long to start.
const MAX_THREADS: usize = 1000;

pub fn trials(effort: Effort) -> Vec<Trial> {
    let mut trials = Vec::new();
    for bridges in BRIDGES {
        for contender in Contender::ALL {
            if bridges <= MAX_THREADS || !contender.has_threads() {
                trials.push(trial((bridges / effort.divisor).max(1), contender));
            }
        }
    }
    trials
}

fn trial(bridges: usize, contender: Contender) -> Trial {
    Trial {
        case: Case::new(format!("{bridges}"), &fan::workload(bridges), SIZES),
        contender: contender.name(),
        engine: contender.is_engine(),
        run: Box::new(move || fan::run(contender, bridges)),
    }
}
