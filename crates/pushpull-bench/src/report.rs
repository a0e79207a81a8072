//! The report: everything that was measured, as JSON, a table, a page or a picture.

mod advice;
mod beside;
pub(crate) mod compare;
pub mod figure;
mod html;
pub(crate) mod machine;
mod picture;
mod plot;
pub mod quantity;
pub mod statistics;
mod table;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::contender::{Lack, Sizes};
use crate::workload::Workload;
pub use compare::{Change, Comparison};
use figure::{Figure, Measure};
pub use machine::Machine;

/// The version of the file format. It changes if older readers would misread the file.
pub const SCHEMA: u32 = 1;

/// The contender of a ready chunk that is called and carries nothing: a mark of what can be had.
pub(crate) const DYN_CALL: &str = "dyn call";

/// A figure whose middle half is wider than this is marked as noisy.
const NOISY: f64 = 0.25;

/// Everything that was measured, with the machine and the settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of the file format.
    pub schema: u32,
    /// The version of pushpull.
    pub version: String,
    /// The time in RFC 3339 format.
    pub taken: String,
    /// The machine.
    pub machine: Machine,
    /// `true` if the run was too short for meaningful figures.
    pub quick: bool,
    /// The user's workload.
    pub workload: Option<String>,
    /// The contenders that were not measured in the user's workload, with the reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// What contenders cannot do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lacks: BTreeMap<String, Vec<Lack>>,
    /// The figures, in the order in which they were asked for.
    pub rows: Vec<Row>,
}

/// The figures of one contender in one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The name of the question.
    pub question: String,
    /// What was measured.
    pub case: Case,
    /// The name of the contender.
    pub contender: String,
    /// `true` for an engine of pushpull.
    pub engine: bool,
    /// The figures. There are none if it failed.
    pub figures: BTreeMap<Measure, Figure>,
    /// The reason why it could not be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// The settings of a measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The name among the cases of its question.
    pub name: String,
    /// The size of a write, in bytes.
    pub write: usize,
    /// The pace of the program, as a workload says it.
    pub writer: String,
    /// The pace of the reader.
    pub reader: String,
    /// The number of bridges at once.
    pub bridges: usize,
    /// The number of busy threads beside the bridge.
    #[serde(default)]
    pub neighbours: usize,
    /// The chunk size in bytes.
    pub chunk: usize,
    /// The capacity in bytes.
    pub capacity: usize,
}

impl Case {
    /// Describes a workload on bridges of these sizes.
    pub fn new(name: impl Into<String>, workload: &Workload, sizes: Sizes) -> Case {
        Case {
            name: name.into(),
            write: workload.write,
            writer: workload.writer.to_string(),
            reader: workload.reader.to_string(),
            bridges: workload.bridges,
            neighbours: 0,
            chunk: sizes.chunk,
            capacity: sizes.capacity,
        }
    }
}

impl Row {
    /// Returns the median of a measure.
    pub fn median(&self, measure: Measure) -> Option<f64> {
        self.figures.get(&measure).map(|figure| figure.median)
    }

    /// Returns the figure that the question is about: the first of the row.
    pub fn main(&self) -> Option<(Measure, &Figure)> {
        self.figures.iter().next().map(|(measure, figure)| (*measure, figure))
    }

    /// Returns `true` if the middle half of the rounds is wider than a quarter of the median.
    pub fn is_noisy(&self) -> bool {
        self.main().is_some_and(|(_, figure)| figure.spread().width() > NOISY)
    }
}

/// Returns the names of the contenders, in order of appearance.
pub(crate) fn contenders<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for row in rows {
        if !names.contains(&&row.contender[..]) {
            names.push(&row.contender[..]);
        }
    }
    names
}

impl Report {
    /// Returns the rows of a question.
    pub fn of<'a>(&'a self, question: &'a str) -> impl Iterator<Item = &'a Row> + Clone + 'a {
        self.rows.iter().filter(move |row| row.question == question)
    }

    /// Returns what some contenders cannot do, with their names in order of appearance.
    pub(crate) fn lacking(&self) -> impl Iterator<Item = (Lack, Vec<&str>)> {
        let names = contenders(&self.rows);
        Lack::ALL.into_iter().filter_map(move |lack| {
            let lacks = |name: &&str| self.lacks.get(*name).is_some_and(|lacks| lacks.contains(&lack));
            let lacking: Vec<&str> = names.iter().copied().filter(lacks).collect();
            (!lacking.is_empty()).then_some((lack, lacking))
        })
    }

    /// Returns the share of noisy rows.
    pub fn noise(&self) -> f64 {
        let measured = self.rows.iter().filter(|row| row.failed.is_none()).count();
        let noisy = self.rows.iter().filter(|row| row.is_noisy()).count();
        noisy as f64 / measured.max(1) as f64
    }

    /// Returns a warning if the figures mean little.
    pub fn warning(&self) -> Option<String> {
        let noise = self.noise();
        if self.quick {
            return Some("This was a quick run to check that it works: its figures mean nothing".to_owned());
        }
        (noise > 0.25).then(|| {
            format!(
                "This machine is too noisy: the middle half of {:.0} % of the figures (marked with ~) is wider than {:.0} %. \
                 Stop other work, or increase --time",
                noise * 100.0,
                NOISY * 100.0
            )
        })
    }

    /// Compares this report with an older one.
    pub fn compared_with(&self, old: &Report) -> Comparison {
        Comparison::new(old, self)
    }

    /// Returns the report as a text for a terminal, with a recommendation. The colors are those of the crate `console`,
    /// which leaves them out if standard output is no terminal.
    pub fn table(&self) -> String {
        table::show(self)
    }

    /// Returns the report as a self-contained page with plots: one file, without scripts.
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// Returns a picture of the engines beside what is written by hand, or `None` if no engine was measured beside one.
    pub fn svg(&self) -> Option<String> {
        picture::of(self)
    }

    /// Returns the report as JSON.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("keys of a report are strings");
        text.push('\n');
        text
    }

    /// Parses a report.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a report, or has another format version.
    pub fn from_json(text: &str) -> Result<Report, String> {
        #[derive(Deserialize)]
        struct Form {
            schema: u32,
        }
        let told =
            |error: serde_json::Error| format!("is not a report: {error}; expected one of `pushpull bench --json`");
        let Form { schema } = serde_json::from_str(text).map_err(told)?;
        if schema != SCHEMA {
            return Err(format!("has format version {schema}, expected {SCHEMA}"));
        }
        serde_json::from_str(text).map_err(told)
    }
}
