//! All that was measured, as it is kept in a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use pushpull_measure::contender::Sizes;
use pushpull_measure::figure::{Figure, Measure};
use pushpull_measure::workload::Workload;

/// The form of the file. A change that older readers would misread gets a number of its own.
pub const SCHEMA: u32 = 1;

/// Wider than this, and a figure says little.
const NOISY: f64 = 0.25;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub schema: u32,
    /// Of pushpull.
    pub version: String,
    /// When, by RFC 3339.
    pub taken: String,
    pub machine: Machine,
    /// Too short to say anything.
    pub quick: bool,
    /// The case that was asked about.
    pub workload: Option<String>,
    /// Who was not measured in that case, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    pub rows: Vec<Row>,
}

/// What one contender did in one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub question: String,
    pub case: Case,
    pub contender: String,
    /// Whether it is one of ours.
    pub engine: bool,
    pub figures: BTreeMap<Measure, Figure>,
    /// Why it could not be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// What it is called among the cases of its question.
    pub name: String,
    pub write: usize,
    pub writer: String,
    pub reader: String,
    pub bridges: usize,
    /// How many threads compute beside it.
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

    /// What the question is about: the first figure of a row.
    pub fn main(&self) -> Option<(Measure, &Figure)> {
        self.figures.iter().next().map(|(measure, figure)| (*measure, figure))
    }

    pub fn is_noisy(&self) -> bool {
        self.main().is_some_and(|(_, figure)| figure.spread().width() > NOISY)
    }
}

impl Report {
    /// Rows of a question.
    pub fn of<'a>(&'a self, question: &'a str) -> impl Iterator<Item = &'a Row> + Clone + 'a {
        self.rows.iter().filter(move |row| row.question == question)
    }

    /// The part of the rows that says little.
    pub fn noise(&self) -> f64 {
        let measured = self.rows.iter().filter(|row| row.failed.is_none()).count();
        let noisy = self.rows.iter().filter(|row| row.is_noisy()).count();
        noisy as f64 / measured.max(1) as f64
    }

    /// What to say when the machine is too noisy to say much.
    pub fn warning(&self) -> Option<String> {
        let noise = self.noise();
        if self.quick {
            return Some("This was a quick run, to see that it works: its figures mean nothing".to_owned());
        }
        (noise > 0.25).then(|| {
            format!(
                "This machine is too noisy to say much: {:.0} % of the figures (those with ~) vary by more than {:.0} % \
                 within their middle half. Stop other work, or give it more --time",
                noise * 100.0,
                NOISY * 100.0
            )
        })
    }

    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a report has only names for keys");
        text.push('\n');
        text
    }

    /// # Errors
    ///
    /// Why the text is no report of this form.
    pub fn from_json(text: &str) -> Result<Report, String> {
        #[derive(Deserialize)]
        struct Form {
            schema: u32,
        }
        let told = |error: serde_json::Error| format!("is no report of `pushpull bench --json`: {error}");
        let Form { schema } = serde_json::from_str(text).map_err(told)?;
        if schema != SCHEMA {
            return Err(format!("has the form {schema}, and this program knows {SCHEMA} only"));
        }
        serde_json::from_str(text).map_err(told)
    }
}
