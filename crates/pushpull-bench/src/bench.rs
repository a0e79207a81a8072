//! What to measure, and the run.

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use crate::contender::Contender;
use crate::contenders;
use crate::effort::Effort;
use crate::entry::Entry;
use crate::questions::{Asked, Question};
use crate::report::{Machine, Report, SCHEMA, compare};
use crate::rounds;

/// Contenders and questions.
///
/// ```
/// use pushpull_bench::{Bench, Question};
///
/// let report = Bench::new().ask(Question::Handoff).quick().run();
/// assert!(report.rows.iter().any(|row| row.contender == "Local"));
/// println!("{}", report.table());
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Bench {
    contenders: Vec<Entry>,
    questions: Vec<Question>,
    effort: Effort,
}

impl Default for Bench {
    fn default() -> Bench {
        Bench::new()
    }
}

impl Bench {
    /// Creates a bench of the [`usual`](contenders::usual) contenders that asks every question within a minute.
    pub fn new() -> Bench {
        let effort = Effort::full(Duration::from_secs(60));
        Bench { contenders: contenders::usual(), questions: Vec::new(), effort }
    }

    /// Adds a contender. One of the same name is replaced.
    pub fn contender(self, contender: impl Contender) -> Bench {
        self.entries([Entry::new(contender)])
    }

    /// Adds contenders. Those of the same names are replaced.
    pub fn entries(mut self, entries: impl IntoIterator<Item = Entry>) -> Bench {
        for entry in entries {
            match self.contenders.iter_mut().find(|known| known.name() == entry.name()) {
                Some(known) => *known = entry,
                None => self.contenders.push(entry),
            }
        }
        self
    }

    /// Asks this question, instead of all. Call it again for more.
    pub fn ask(mut self, question: Question) -> Bench {
        self.questions.push(question);
        self
    }

    /// Sets the approximate time of all questions (default: one minute). A workload with long pauses or many bridges
    /// may take longer: see [`Plan::slow`].
    pub fn time(self, time: Duration) -> Bench {
        Bench { effort: Effort::full(time), ..self }
    }

    /// Runs each case briefly, almost without pauses, to check that it works. The figures mean nothing.
    pub fn quick(self) -> Bench {
        Bench { effort: Effort::QUICK, ..self }
    }

    /// Plans the runs.
    pub fn plan(&self) -> Plan {
        let questions = if self.questions.is_empty() { &Question::ALL[..] } else { &self.questions };
        let all: u32 = questions.iter().map(|question| question.weight()).sum();
        let ask = |question: &Question| {
            question.asked(&self.contenders, self.effort, self.effort.total * question.weight() / all)
        };
        Plan { contenders: self.contenders.clone(), asked: questions.iter().map(ask).collect(), effort: self.effort }
    }

    /// Measures everything.
    pub fn run(&self) -> Report {
        match self.plan().run(|_| ControlFlow::Continue(())) {
            ControlFlow::Continue(report) => report,
            ControlFlow::Break(()) => unreachable!("nothing interrupts this run"),
        }
    }
}

/// What is about to be measured.
#[must_use]
pub struct Plan {
    contenders: Vec<Entry>,
    asked: Vec<Asked>,
    effort: Effort,
}

/// The run that follows.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// The name of the question.
    pub question: &'a str,
    /// The name of the contender.
    pub contender: &'a str,
    /// How much of [`Plan::time`] has passed. It never decreases.
    pub passed: Duration,
}

impl Plan {
    /// Returns the estimated time of everything.
    pub fn time(&self) -> Duration {
        self.asked.iter().map(Asked::about).sum()
    }

    /// Returns the questions that take longer than their share of the time allows, with an estimate: pauses and bridges
    /// have a price that no shorter run avoids.
    pub fn slow(&self) -> impl Iterator<Item = (Question, Duration)> {
        let is_slow = |asked: &&Asked| asked.takes > asked.time * MUCH_LONGER;
        self.asked.iter().filter(is_slow).map(|asked| (asked.question, asked.takes))
    }

    /// Returns `true` if at least one figure of an engine can be compared with an older report.
    pub fn is_comparable(&self, old: &Report) -> bool {
        let has = |asked: &Asked| asked.trials.iter().any(|trial| compare::has(old, asked.question.name(), trial));
        self.asked.iter().any(has)
    }

    /// Measures everything. Before each run `observe` is called, and may end all of it.
    pub fn run(self, mut observe: impl FnMut(Progress<'_>) -> ControlFlow<()>) -> ControlFlow<(), Report> {
        let (mut rows, mut left_out) = (Vec::new(), Vec::new());
        let mut before = Duration::ZERO;
        let mut workload = None;
        for mut asked in self.asked {
            left_out.append(&mut asked.left_out);
            if let Question::Workload(own) = asked.question {
                workload = Some(own.to_string());
            }
            let (question, about) = (asked.question.name(), asked.about());
            rows.extend(rounds::run(asked, self.effort, |contender, passed| {
                observe(Progress { question, contender, passed: before + passed })
            })?);
            before += about;
        }
        let measured = |entry: &&Entry| rows.iter().any(|row| row.contender == entry.name());
        let lacking = self.contenders.iter().filter(measured).map(Entry::about).filter(|about| !about.lacks.is_empty());
        ControlFlow::Continue(Report {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            taken: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            machine: Machine::this(),
            quick: self.effort.is_quick(),
            workload,
            left_out,
            lacks: lacking.map(|about| (about.name.to_owned(), about.lacks.to_vec())).collect(),
            rows,
        })
    }
}

/// A question that takes longer than its time by this factor is a slow one.
const MUCH_LONGER: u32 = 2;

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let questions: Vec<_> = self.asked.iter().map(|asked| asked.question).collect();
        f.debug_struct("Plan").field("contenders", &self.contenders).field("questions", &questions).finish()
    }
}
