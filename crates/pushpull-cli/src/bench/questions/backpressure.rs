//! How do capacity and chunk size matter if one side is faster than the other?

use super::Trial;
use pushpull_measure::contender::Contender;
use pushpull_measure::effort::Effort;
use pushpull_measure::measure::Watching;
use pushpull_measure::speeds::{SPEEDS, settings};

pub fn trials(effort: Effort) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, workload) in SPEEDS {
        for contender in Contender::ALL {
            let sizes = settings(contender);
            let trial = |sizes| Trial::of_workload(name, contender, workload, sizes, Watching::Writes, effort);
            trials.extend(sizes.into_iter().map(trial));
        }
    }
    trials
}
