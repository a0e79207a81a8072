//! The questions, and the trials that answer them.

mod backpressure;
mod busy;
mod fan;
mod handoff;
mod in_time;
mod lifetime;
mod own;
mod write_size;

use std::io;
use std::time::Duration;

use super::report::Case;
use pushpull_measure::contender::{Contender, Sizes, Way};
use pushpull_measure::effort::Effort;
use pushpull_measure::figure::Sample;
use pushpull_measure::measure::{self, Watching};
use pushpull_measure::workload::Workload;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    Handoff,
    WriteSize,
    Lifetime,
    Backpressure,
    Fan,
    Busy,
    /// A workload of the user's own.
    Workload(Workload),
}

/// A question with the trials that answer it.
pub struct Asked {
    pub question: Question,
    /// The time available.
    pub time: Duration,
    pub trials: Vec<Trial>,
    /// The contenders that are not measured, with the reason.
    pub left_out: Vec<String>,
    /// The estimated minimum time, if it is known in advance.
    pub takes: Duration,
}

impl Asked {
    /// Returns the estimated time.
    pub fn about(&self) -> Duration {
        self.time.max(self.takes)
    }
}

/// One contender in one case, to be run once per round.
pub struct Trial {
    pub case: Case,
    pub contender: &'static str,
    pub engine: bool,
    pub run: Box<dyn FnMut() -> io::Result<Sample>>,
}

impl Question {
    /// The questions asked by default.
    pub const ALL: [Question; 6] = [
        Question::Handoff,
        Question::WriteSize,
        Question::Lifetime,
        Question::Backpressure,
        Question::Fan,
        Question::Busy,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Question::Handoff => "handoff",
            Question::WriteSize => "write_size",
            Question::Lifetime => "lifetime",
            Question::Backpressure => "backpressure",
            Question::Fan => "fan",
            Question::Busy => "busy",
            Question::Workload(_) => "workload",
        }
    }

    /// Returns the question's share of the time, relative to the other questions.
    pub fn weight(self) -> u32 {
        match self {
            Question::Handoff => 3,
            Question::Lifetime => 4,
            Question::WriteSize | Question::Fan => 11,
            Question::Busy => 20,
            Question::Backpressure | Question::Workload(_) => 30,
        }
    }

    /// Returns the trials that fit into this time.
    pub fn asked(self, effort: Effort, time: Duration) -> Asked {
        let trials = match self {
            Question::Handoff => handoff::trials(effort),
            Question::WriteSize => write_size::trials(effort),
            Question::Lifetime => lifetime::trials(effort),
            Question::Backpressure => backpressure::trials(effort),
            Question::Fan => fan::trials(effort),
            Question::Busy => {
                let (trials, left_out) = busy::trials(effort);
                return Asked { question: self, time, trials, left_out, takes: Duration::ZERO };
            }
            Question::Workload(workload) => return own::asked(workload, effort, time),
        };
        Asked { question: self, time, trials, left_out: Vec::new(), takes: Duration::ZERO }
    }
}

impl Trial {
    /// Creates a trial that runs a workload on a contender.
    fn of_workload(
        name: impl Into<String>,
        contender: Contender,
        workload: Workload,
        sizes: Sizes,
        watching: Watching,
        effort: Effort,
    ) -> Trial {
        Trial {
            case: Case::new(name, &workload, sizes),
            contender: contender.name(),
            engine: contender.is_engine(),
            run: Box::new(move || measure::run(contender, &workload, sizes, watching, effort)),
        }
    }
}
