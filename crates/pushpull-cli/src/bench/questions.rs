//! What is asked, and what is measured to answer it.

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
    /// A case of one's own.
    Workload(Workload),
}

/// A question with all that is measured to answer it.
pub struct Asked {
    pub question: Question,
    /// What there is for it.
    pub time: Duration,
    pub trials: Vec<Trial>,
    /// Who is not measured though the question is about all, and why.
    pub left_out: Vec<String>,
    /// About how long it takes at the least, where that is known before.
    pub takes: Duration,
}

impl Asked {
    /// About how long it will be.
    pub fn about(&self) -> Duration {
        self.time.max(self.takes)
    }
}

/// One contender in one case, to be run again and again.
pub struct Trial {
    pub case: Case,
    pub contender: &'static str,
    pub engine: bool,
    pub run: Box<dyn FnMut() -> io::Result<Sample>>,
}

impl Question {
    /// Those that are asked unless others are.
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

    /// Its part of the time, among those of others.
    pub fn weight(self) -> u32 {
        match self {
            Question::Handoff => 3,
            Question::Lifetime => 4,
            Question::WriteSize | Question::Fan => 11,
            Question::Busy => 20,
            Question::Backpressure | Question::Workload(_) => 30,
        }
    }

    /// What is to be measured in this time.
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
    /// A workload on a contender.
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
