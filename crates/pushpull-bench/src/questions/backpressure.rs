//! How do capacity and chunk size matter if one side is faster than the other?

use super::Trial;
use crate::effort::Effort;
use crate::entry::Entry;
use crate::run::speeds::{SPEEDS, settings};
use crate::run::workload::Watching;

pub fn trials(contenders: &[Entry], effort: Effort) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, workload) in SPEEDS {
        for contender in contenders {
            let sizes = settings(contender.about());
            let trial = |sizes| Trial::of_workload(name, contender, workload, sizes, Watching::Writes, effort);
            trials.extend(sizes.into_iter().map(trial));
        }
    }
    trials
}
