//! Compares two reports and finds what got slower beyond the noise.
//!
//! Two runs on one machine drift apart as a whole, by a third from day to day. The code written by hand is the same in
//! both runs, so the median change of its figures is the drift. The drift is removed from the figures of the engines.

use std::fmt;

use super::{Case, Report, Row};
use crate::questions::Trial;
use crate::report::figure::{Figure, Measure};
use crate::report::statistics::median;

/// A smaller difference is never reported, however quiet the machine was.
const MIN_DIFFERENCE: f64 = 0.1;

/// A difference of this many widths of the middle half (both runs together) is beyond chance, among hundreds of
/// figures.
const WIDTHS: f64 = 2.0;

/// With fewer figures of code written by hand, the drift is unknown.
const MIN_PEERS: usize = 5;

/// What got slower or faster since an older report.
#[derive(Debug)]
pub struct Comparison {
    changes: Vec<Change>,
    /// The factor by which the machine itself got slower.
    drift: Option<f64>,
    another_machine: bool,
}

/// A figure of an engine in both reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The question, case and contender.
    pub what: String,
    /// What was measured.
    pub measure: Measure,
    /// The old median.
    pub old: f64,
    /// The new median.
    pub new: f64,
    /// The factor by which it got slower, without the drift.
    pub slower: f64,
    /// The factor above which the change counts.
    pub beyond: f64,
}

impl Comparison {
    /// Compares two reports.
    pub fn new(old: &Report, new: &Report) -> Comparison {
        let pairs: Vec<(&Row, &Row)> = new.rows.iter().filter_map(|row| Some((same(old, row)?, row))).collect();
        let of_peers = pairs.iter().filter(|(_, row)| !row.engine).filter_map(|(old, new)| {
            let (measure, figure) = new.main()?;
            measure.worsening(old.figures.get(&measure)?.median, figure.median)
        });
        let of_peers: Vec<f64> = of_peers.collect();
        let drift = if of_peers.len() < MIN_PEERS { None } else { median(&of_peers) };
        let engines = pairs.iter().filter(|(_, row)| row.engine);
        let changes = engines.flat_map(|(old, new)| changes(old, new, drift.unwrap_or(1.0))).collect();
        Comparison { changes, drift, another_machine: old.machine != new.machine }
    }

    /// Returns the changes beyond the noise, the worst first.
    pub fn slower(&self) -> Vec<&Change> {
        let mut slower: Vec<_> = self.changes.iter().filter(|change| change.slower > change.beyond).collect();
        slower.sort_by(|a, b| b.slower.total_cmp(&a.slower));
        slower
    }

    /// Returns `true` if the reports have no figure in common, so that there is no verdict.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    fn faster(&self) -> usize {
        self.changes.iter().filter(|change| change.slower.recip() > change.beyond).count()
    }
}

/// Returns `true` if the old report measured this engine in this case.
pub fn has(old: &Report, question: &str, Trial { case, contender, .. }: &Trial) -> bool {
    contender.is_engine && find(old, question, case, contender.name).is_some_and(|row| row.failed.is_none())
}

fn same<'a>(old: &'a Report, row: &Row) -> Option<&'a Row> {
    find(old, &row.question, &row.case, &row.contender)
}

fn find<'a>(old: &'a Report, question: &str, case: &Case, contender: &str) -> Option<&'a Row> {
    let key = (question, case, contender);
    old.rows.iter().find(|row| (&row.question[..], &row.case, &row.contender[..]) == key)
}

fn changes(old: &Row, new: &Row, drift: f64) -> Vec<Change> {
    let of_measure = |(measure, figure): (&Measure, &Figure)| {
        let before = old.figures.get(measure)?;
        let slower = measure.worsening(before.median, figure.median)? / drift;
        let noise = before.spread().width().hypot(figure.spread().width());
        // The 99th percentile is often a single event of a run: too noisy to compare.
        (*measure != Measure::SlowLatency).then(|| Change {
            what: format!("{}, {}, {}", new.question, described(new), new.contender),
            measure: *measure,
            old: before.median,
            new: figure.median,
            slower,
            beyond: 1.0 + (WIDTHS * noise).max(MIN_DIFFERENCE),
        })
    };
    new.figures.iter().filter_map(of_measure).collect()
}

fn described(row: &Row) -> String {
    match &row.question[..] {
        "backpressure" | "workload" => {
            format!("{}, chunk {}, capacity {}", row.case.name, row.case.chunk, row.case.capacity)
        }
        _ => row.case.name.clone(),
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.another_machine {
            writeln!(f, "  The old report is of another machine or system.")?;
        }
        match self.drift {
            Some(drift) if drift >= 1.0 => {
                writeln!(
                    f,
                    "  Code written by hand takes {:.2} times as long as then: the figures are corrected for that.",
                    drift
                )?;
            }
            Some(drift) => writeln!(
                f,
                "  Code written by hand is {:.2} times as fast as then: the figures are corrected for that.",
                drift.recip()
            )?,
            None => writeln!(f, "  There are too few figures of code written by hand to correct for the machine.")?,
        }
        let slower = self.slower();
        for Change { what, measure, old, new, slower, beyond } in &slower {
            let (old, new) = (measure.show(*old), measure.show(*new));
            writeln!(f, "  slower by {slower:.2} (noise: {beyond:.2}): {what}: {} {old}, now {new}", measure.name())?;
        }
        let (all, faster) = (self.changes.len(), self.faster());
        writeln!(f, "  {} of {all} figures of the engines got slower beyond the noise, {faster} faster.", slower.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::SCHEMA;
    use super::*;
    use crate::contender::Sizes;
    use crate::report::Machine;
    use crate::workload::Workload;

    /// Creates a report in which all code written by hand takes `peers`, and `Local` takes `ours` with a middle half of
    /// `width`.
    fn report(ours: f64, width: f64, peers: f64) -> Report {
        let row = |contender: String, engine, time: f64, width: f64| {
            let samples = vec![time * (1.0 - width / 2.0), time, time * (1.0 + width / 2.0)];
            let half = Figure::new(Measure::Time, samples).unwrap();
            Row {
                question: "handoff".into(),
                case: Case::new("a chunk", &Workload::of_writes(1), Sizes::DEFAULT),
                contender,
                engine,
                figures: BTreeMap::from([(Measure::Time, half)]),
                failed: None,
            }
        };
        let mut rows = vec![row("Local".into(), true, ours, width)];
        rows.extend((0..7).map(|n| row(format!("peer {n}"), false, peers, 0.01)));
        let machine = Machine { processor: "one".into(), processors: 2, system: "some".into() };
        Report {
            schema: SCHEMA,
            version: "0".into(),
            taken: "then".into(),
            machine,
            quick: false,
            workload: None,
            left_out: Vec::new(),
            lacks: BTreeMap::new(),
            rows,
        }
    }

    fn slower(old: &Report, new: &Report) -> usize {
        Comparison::new(old, new).slower().len()
    }

    #[test]
    fn what_got_slower_beyond_the_noise_is_reported() {
        let old = report(10.0, 0.05, 100.0);
        assert_eq!(slower(&old, &old), 0);
        assert_eq!(slower(&old, &report(13.0, 0.05, 100.0)), 1);
        assert_eq!(slower(&old, &report(8.0, 0.05, 100.0)), 0);
    }

    #[test]
    fn noise_is_not_reported_as_a_change() {
        let old = report(10.0, 0.4, 100.0);
        assert_eq!(slower(&old, &report(13.0, 0.4, 100.0)), 0);
        assert_eq!(slower(&old, &report(30.0, 0.4, 100.0)), 1);
        // A few percent are not a change, however quiet the machine was.
        assert_eq!(slower(&report(10.0, 0.0, 100.0), &report(10.9, 0.0, 100.0)), 0);
    }

    #[test]
    fn the_drift_of_the_machine_is_removed() {
        let old = report(10.0, 0.02, 100.0);
        assert_eq!(slower(&old, &report(15.0, 0.02, 150.0)), 0);
        // The time is the same, but the machine got faster: the engine got slower.
        assert_eq!(slower(&old, &report(10.0, 0.02, 70.0)), 1);
        assert!(Comparison::new(&old, &report(15.0, 0.02, 150.0)).to_string().contains("1.50 times as long"));
    }

    #[test]
    fn more_throughput_is_not_slower() {
        let with = |rate: f64| {
            let mut report = report(10.0, 0.05, 100.0);
            let figure = Figure::new(Measure::Throughput, vec![rate; 3]).unwrap();
            report.rows[0].figures = BTreeMap::from([(Measure::Throughput, figure)]);
            report
        };
        assert_eq!((slower(&with(1e9), &with(2e9)), slower(&with(2e9), &with(1e9))), (0, 1));
    }

    #[test]
    fn a_row_of_only_one_report_is_not_compared() {
        let old = report(10.0, 0.05, 100.0);
        let mut other = report(20.0, 0.05, 100.0);
        other.rows[0].case.chunk = 1;
        let comparison = Comparison::new(&old, &other);
        assert_eq!(comparison.changes, []);
        other.rows.truncate(1);
        assert!(Comparison::new(&old, &other).to_string().contains("too few figures of code written by hand"));
    }
}
