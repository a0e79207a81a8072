//! All trials of a question take turns, round after round, until its time is up: what disturbs the machine for a while
//! disturbs all of them alike, and the same round of two trials is a pair.

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use super::interrupt::Interrupt;
use super::progress::Progress;
use super::questions::{Asked, Trial};
use super::report::Row;
use pushpull_measure::effort::Effort;
use pushpull_measure::figure::{Figure, Measure, Sample};

/// More than this makes no figure better.
const MAX_ROUNDS: usize = 101;

/// Somebody has asked for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Interrupted;

/// # Errors
///
/// When it is interrupted.
pub fn run(asked: Asked, effort: Effort, progress: &Progress, interrupt: &Interrupt) -> Result<Vec<Row>, Interrupted> {
    let (name, time, about) = (asked.question.name(), asked.time, asked.about());
    let mut trials: Vec<_> = asked.trials.into_iter().map(Measured::new).collect();
    let start = Instant::now();
    let mut round = 0;
    // The first is thrown away: memory is touched and threads are made for the first time.
    while round <= effort.rounds || (round <= MAX_ROUNDS && start.elapsed() < time) {
        let count = trials.len();
        for number in 0..count {
            // Back and forth, so that nobody always comes after the same one.
            let trial = &mut trials[if round % 2 == 0 { number } else { count - 1 - number }];
            if interrupt.is_set() {
                return Err(Interrupted);
            }
            let done = (round * count + number) as f64 / (count * (effort.rounds + 1)) as f64;
            let part = (start.elapsed().as_secs_f64() / time.as_secs_f64()).min(done);
            progress.show(name, trial.trial.contender, about.mul_f64(part.min(1.0)));
            trial.run(round > 0);
        }
        round += 1;
    }
    progress.pass(about);
    Ok(trials.into_iter().map(|trial| trial.into_row(name)).collect())
}

struct Measured {
    trial: Trial,
    samples: BTreeMap<Measure, Vec<f64>>,
    failed: Option<io::Error>,
}

impl Measured {
    fn new(trial: Trial) -> Measured {
        Measured { trial, samples: BTreeMap::new(), failed: None }
    }

    /// One that has failed is not tried again.
    fn run(&mut self, counts: bool) {
        if self.failed.is_some() {
            return;
        }
        match (self.trial.run)() {
            Ok(sample) if counts => self.add(sample),
            Ok(_) => {}
            Err(error) => self.failed = Some(error),
        }
    }

    fn add(&mut self, sample: Sample) {
        for (measure, value) in sample {
            self.samples.entry(measure).or_default().push(value);
        }
    }

    fn into_row(self, question: &str) -> Row {
        let Trial { case, contender, engine, .. } = self.trial;
        let figure = |(measure, samples)| Some((measure, Figure::new(measure, samples)?));
        Row {
            question: question.to_owned(),
            case,
            contender: contender.to_owned(),
            engine,
            figures: if self.failed.is_none() {
                self.samples.into_iter().filter_map(figure).collect()
            } else {
                BTreeMap::new()
            },
            failed: self.failed.map(|error| error.to_string()),
        }
    }
}
