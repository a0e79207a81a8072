//! What do many bridges at once cost?

use super::Trial;
use crate::effort::Effort;
use crate::entry::Entry;
use crate::report::Case;
use crate::run::fan::{self, BRIDGES, SIZES};

/// More threads take too long to start.
const MAX_THREADS: usize = 1000;

pub fn trials(contenders: &[Entry], effort: Effort) -> Vec<Trial> {
    let mut trials = Vec::new();
    for bridges in BRIDGES {
        for contender in contenders {
            if bridges <= MAX_THREADS || !contender.has_threads() {
                trials.push(trial((bridges / effort.divisor).max(1), contender.clone()));
            }
        }
    }
    trials
}

fn trial(bridges: usize, contender: Entry) -> Trial {
    let case = Case::new(format!("{bridges}"), &fan::workload(bridges), SIZES);
    Trial::new(case, contender.about(), move || fan::run(&contender, bridges))
}
