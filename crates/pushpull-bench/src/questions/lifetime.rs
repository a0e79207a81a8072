//! What does a bridge cost that lives for one chunk or less?

use super::Trial;
use crate::contender::Sizes;
use crate::effort::Effort;
use crate::entry::Entry;
use crate::report::Case;
use crate::run::life::Life;
use crate::workload::Workload;

pub fn trials(contenders: &[Entry], effort: Effort) -> Vec<Trial> {
    let of_life = |(name, life): (&'static str, Life)| {
        contenders.iter().cloned().map(move |contender| {
            // Threads take longer, and would accumulate.
            let count = if contender.has_threads() { 100 } else { 2000 } / effort.divisor.min(20);
            let case = Case::new(name, &Workload::of_writes(5), Sizes::DEFAULT);
            Trial::new(case, contender.about(), move || contender.live(life, count))
        })
    };
    Life::ALL.into_iter().flat_map(of_life).collect()
}
