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

use crate::contender::{About, Lack, Sizes};
use crate::effort::Effort;
use crate::entry::Entry;
use crate::pace::Pace;
use crate::report::Case;
use crate::report::figure::Sample;
use crate::run::workload::Watching;
use crate::workload::Workload;

/// A question about bridges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Question {
    /// What does one ready chunk cost?
    Handoff,
    /// What does a byte cost, in small writes or in large ones?
    WriteSize,
    /// What does a bridge cost that lives for one chunk or less?
    Lifetime,
    /// How do capacity and chunk size matter if one side is slower?
    Backpressure,
    /// What do many bridges at once cost?
    Fan,
    /// How soon does a write arrive, and how much gets through, beside threads that never sleep?
    Busy,
    /// Which contender, chunk size and capacity suit a workload?
    Workload(Workload),
}

/// A question with the trials that answer it.
pub(crate) struct Asked {
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
pub(crate) struct Trial {
    pub case: Case,
    pub contender: About,
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

    /// Returns the name on the command line and in a report.
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
    pub(crate) fn weight(self) -> u32 {
        match self {
            Question::Handoff => 3,
            Question::Lifetime => 4,
            Question::WriteSize | Question::Fan => 11,
            Question::Busy => 20,
            Question::Backpressure | Question::Workload(_) => 30,
        }
    }

    /// Returns the trials of these contenders that fit into this time.
    pub(crate) fn asked(self, contenders: &[Entry], effort: Effort, time: Duration) -> Asked {
        let (contenders, mut left_out) = self.able(contenders);
        let contenders = &contenders[..];
        let trials = match self {
            Question::Handoff => handoff::trials(contenders, effort),
            Question::WriteSize => write_size::trials(contenders, effort),
            Question::Lifetime => lifetime::trials(contenders, effort),
            Question::Backpressure => backpressure::trials(contenders, effort),
            Question::Fan => fan::trials(contenders, effort),
            Question::Busy => {
                let (trials, absent) = busy::trials(contenders, effort);
                left_out.extend(absent);
                trials
            }
            Question::Workload(workload) => {
                let mut asked = own::asked(contenders, workload, effort, time);
                asked.left_out.splice(0..0, left_out);
                return asked;
            }
        };
        Asked { question: self, time, trials, left_out, takes: Duration::ZERO }
    }

    /// Returns the contenders that can be asked. Those that cannot wait would compute instead, on a processor that the
    /// others leave free.
    fn able(self, contenders: &[Entry]) -> (Vec<Entry>, Vec<String>) {
        let is_at_full_speed = match self {
            Question::Handoff | Question::WriteSize | Question::Lifetime => true,
            Question::Workload(Workload { writer: Pace::Full, reader: Pace::Full, bridges: 1, .. }) => true,
            Question::Workload(_) | Question::Backpressure | Question::Fan | Question::Busy => false,
        };
        let is_able = |contender: &Entry| is_at_full_speed || contender.about().waits();
        let (able, unable): (Vec<Entry>, Vec<Entry>) = contenders.iter().cloned().partition(is_able);
        let left_out =
            |contender: &Entry| format!("{} in {}: it cannot {}", contender.name(), self.name(), Lack::Waiting);
        let left_out = unable.iter().map(left_out).collect();
        (able, left_out)
    }
}

impl Trial {
    fn new(case: Case, contender: About, run: impl FnMut() -> io::Result<Sample> + 'static) -> Trial {
        Trial { case, contender, run: Box::new(run) }
    }

    /// Creates a trial that runs a workload on a contender.
    fn of_workload(
        name: impl Into<String>,
        contender: &Entry,
        workload: Workload,
        sizes: Sizes,
        watching: Watching,
        effort: Effort,
    ) -> Trial {
        let (contender, about) = (contender.clone(), contender.about());
        let writes = workload.writes(sizes, effort);
        Trial::new(Case::new(name, &workload, sizes), about, move || contender.run(&workload, sizes, writes, watching))
    }
}
