//! What does a bridge cost that lives for one chunk or less?

use super::Trial;
use crate::bench::report::Case;
use pushpull_measure::contender::{Contender, Sizes, Way};
use pushpull_measure::effort::Effort;
use pushpull_measure::life::{self, Life};
use pushpull_measure::workload::Workload;

pub fn trials(effort: Effort) -> Vec<Trial> {
    let of_life = |(name, life)| {
        Contender::ALL.map(|contender| {
            // Threads take longer, and would accumulate.
            let count = if contender.has_threads() { 100 } else { 2000 } / effort.divisor.min(20);
            Trial {
                case: Case::new(name, &Workload::of_writes(5), Sizes::DEFAULT),
                contender: contender.name(),
                engine: contender.is_engine(),
                run: Box::new(move || life::live(contender, life, count)),
            }
        })
    };
    Life::ALL.into_iter().flat_map(of_life).collect()
}
