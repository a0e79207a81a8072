//! Runs the trials of a question in rounds until its time is up. A disturbance of the machine affects all trials of a
//! round alike, so figures of the same round are compared as pairs.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::effort::Effort;
use crate::questions::{Asked, Trial};
use crate::report::Row;
use crate::report::figure::{Figure, Measure, Sample};

/// More rounds do not improve a figure.
const MAX_ROUNDS: usize = 101;

/// Runs all trials and returns their rows. Before each run, `observe` is called with the contender and with how much of
/// the estimated time has passed.
pub fn run(
    asked: Asked,
    effort: Effort,
    mut observe: impl FnMut(&str, Duration) -> ControlFlow<()>,
) -> ControlFlow<(), Vec<Row>> {
    let (name, time, about) = (asked.question.name(), asked.time, asked.about());
    let mut trials: Vec<_> = asked.trials.into_iter().map(Measured::new).collect();
    let start = Instant::now();
    let mut round = 0;
    // The first round is discarded: it touches memory and starts threads for the first time.
    while round <= effort.rounds || (round <= MAX_ROUNDS && start.elapsed() < time) {
        let count = trials.len();
        for number in 0..count {
            // Alternate the order, so that no trial always follows the same one.
            let trial = &mut trials[if round % 2 == 0 { number } else { count - 1 - number }];
            let done = (round * count + number) as f64 / (count * (effort.rounds + 1)) as f64;
            let part = (start.elapsed().as_secs_f64() / time.as_secs_f64()).min(done);
            observe(trial.trial.contender.name, about.mul_f64(part.min(1.0)))?;
            trial.run(round > 0);
        }
        round += 1;
    }
    ControlFlow::Continue(trials.into_iter().map(|trial| trial.into_row(name)).collect())
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

    /// Runs the trial once, unless it has failed before.
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
        let Trial { case, contender, .. } = self.trial;
        let figure = |(measure, samples)| Some((measure, Figure::new(measure, samples)?));
        Row {
            question: question.to_owned(),
            case,
            contender: contender.name.to_owned(),
            engine: contender.is_engine,
            figures: if self.failed.is_none() {
                self.samples.into_iter().filter_map(figure).collect()
            } else {
                BTreeMap::new()
            },
            failed: self.failed.map(|error| error.to_string()),
        }
    }
}
