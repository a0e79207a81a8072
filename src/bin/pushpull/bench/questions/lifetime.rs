//! What does a bridge cost that lives for one chunk, or less?

use std::io::{self, Write};
use std::time::Instant;

use super::Trial;
use crate::bench::contender::{Contender, Program, Sizes};
use crate::bench::effort::Effort;
use crate::bench::figure::{Measure, Sample};
use crate::bench::report::Case;
use crate::bench::workload::Workload;

/// How a life ends.
#[derive(Debug, Clone, Copy)]
pub enum Life {
    /// One small write, and the end.
    Whole,
    /// Dropped before the first pull.
    Unpulled,
    /// Dropped after one chunk, while the program would go on.
    Aborted,
}

struct Hello;

impl Program for Hello {
    fn run(self, w: &mut impl Write) -> io::Result<()> {
        w.write_all(b"hello")
    }
}

/// Goes on until nobody wants it.
struct Endless;

impl Program for Endless {
    fn run(self, w: &mut impl Write) -> io::Result<()> {
        // What a program sees whose host has gone is an error, and nothing is wrong with that here.
        while w.write_all(&[7; 1024]).is_ok() {}
        Ok(())
    }
}

impl Life {
    const ALL: [(&str, Life); 3] =
        [("one chunk", Life::Whole), ("never pulled", Life::Unpulled), ("aborted", Life::Aborted)];

    pub fn live(self, contender: Contender) -> io::Result<()> {
        let mut bytes = 0;
        match self {
            Life::Whole => {
                let mut bridge = contender.open(Sizes::DEFAULT, Hello)?;
                while bridge.pull(&mut |chunk| bytes += chunk.len())? {}
                return if bytes == 5 { Ok(()) } else { Err(io::Error::other(format!("{bytes} bytes in place of 5"))) };
            }
            Life::Unpulled => drop(contender.open(Sizes::DEFAULT, Hello)?),
            Life::Aborted => {
                let going_on = contender.open(Sizes::DEFAULT, Endless)?.pull(&mut |chunk| bytes += chunk.len())?;
                if !going_on || bytes == 0 {
                    return Err(io::Error::other("a program that goes on gave nothing"));
                }
            }
        }
        Ok(())
    }
}

pub fn trials(effort: Effort) -> Vec<Trial> {
    let of_life = |(name, life)| {
        Contender::ALL.map(|contender| {
            // Threads take longer, and would pile up.
            let count = if contender.has_threads() { 100 } else { 2000 } / effort.divisor.min(20);
            Trial {
                case: Case::new(name, &Workload::of_writes(5), Sizes::DEFAULT),
                contender: contender.name(),
                engine: contender.is_engine(),
                run: Box::new(move || lives(contender, life, count)),
            }
        })
    };
    Life::ALL.into_iter().flat_map(of_life).collect()
}

fn lives(contender: Contender, life: Life, count: usize) -> io::Result<Sample> {
    let start = Instant::now();
    (0..count).try_for_each(|_| life.live(contender))?;
    Ok(Sample::from([(Measure::Time, start.elapsed().as_secs_f64() / count as f64)]))
}
