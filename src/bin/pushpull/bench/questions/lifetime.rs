//! What does a bridge cost that lives for one chunk, or less?

use super::Trial;
use crate::bench::measuring::contender::{Contender, Sizes, Way};
use crate::bench::measuring::effort::Effort;
use crate::bench::measuring::life::{self, Life};
use crate::bench::measuring::workload::Workload;
use crate::bench::report::Case;

pub fn trials(effort: Effort) -> Vec<Trial> {
    let of_life = |(name, life)| {
        Contender::ALL.map(|contender| {
            // Threads take longer, and would pile up.
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
