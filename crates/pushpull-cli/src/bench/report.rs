//! The report: everything that was measured, as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use pushpull_measure::contender::Sizes;
use pushpull_measure::figure::{Figure, Measure};
use pushpull_measure::workload::Workload;

/// The version of the file format. It changes if older readers would misread the file.
pub const SCHEMA: u32 = 1;

/// A figure whose middle half is wider than this is marked as noisy.
const NOISY: f64 = 0.25;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub schema: u32,
    /// The version of pushpull.
    pub version: String,
    /// The time in RFC 3339 format.
    pub taken: String,
    pub machine: Machine,
    /// `true` if the run was too short for meaningful figures.
    pub quick: bool,
    /// The user's workload.
    pub workload: Option<String>,
    /// The contenders that were not measured in the user's workload, with the reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    pub rows: Vec<Row>,
}

/// The figures of one contender in one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub question: String,
    pub case: Case,
    pub contender: String,
    /// `true` for an engine of pushpull.
    pub engine: bool,
    pub figures: BTreeMap<Measure, Figure>,
    /// The reason why it could not be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The name among the cases of its question.
    pub name: String,
    pub write: usize,
    pub writer: String,
    pub reader: String,
    pub bridges: usize,
    /// The number of busy threads beside the bridge.
    #[serde(default)]
    pub neighbours: usize,
    pub chunk: usize,
    pub capacity: usize,
}

impl Case {
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
    pub fn median(&self, measure: Measure) -> Option<f64> {
        self.figures.get(&measure).map(|figure| figure.median)
    }

    /// Returns the figure that the question is about: the first of the row.
    pub fn main(&self) -> Option<(Measure, &Figure)> {
        self.figures.iter().next().map(|(measure, figure)| (*measure, figure))
    }

    pub fn is_noisy(&self) -> bool {
        self.main().is_some_and(|(_, figure)| figure.spread().width() > NOISY)
    }
}

impl Report {
    /// Returns the rows of a question.
    pub fn of<'a>(&'a self, question: &'a str) -> impl Iterator<Item = &'a Row> + Clone + 'a {
        self.rows.iter().filter(move |row| row.question == question)
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
