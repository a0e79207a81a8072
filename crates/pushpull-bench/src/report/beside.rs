//! Each engine beside the best contender written by hand, as ratios within the same rounds.

use super::plot::{self, Mark, Strip};
use super::{DYN_CALL, Report, Row, contenders};
use crate::report::figure::{Figure, Measure};
use crate::report::quantity;
use crate::report::statistics::Spread;

/// Returns the names of what the engines are compared with.
pub fn peers(report: &Report) -> String {
    contenders(report.rows.iter().filter(|row| is_peer(row))).join(", ")
}

fn is_peer(row: &Row) -> bool {
    !row.engine && row.contender != DYN_CALL
}

/// Returns a strip for each case, and the rows that they show.
pub fn strips(report: &Report) -> (Vec<Strip>, Vec<&Row>) {
    let mut rows: Vec<&Row> = Vec::new();
    let mut strips: Vec<Strip> = Vec::new();
    let has_place = |row: &&Row| row.engine && row.question != "busy" && is_usual(row);
    for row in report.rows.iter().filter(has_place) {
        let Some((measure, figure)) = row.main().map(|(measure, figure)| match row.figures.get(&Measure::Throughput) {
            Some(rate) if row.question != "fan" => (Measure::Throughput, rate),
            _ => (measure, figure),
        }) else {
            continue;
        };
        let peers = report.of(&row.question).filter(|peer| is_peer(peer) && peer.case == row.case);
        let Some(ratio) = to_the_best(peers, measure, figure) else { continue };
        let name = match &row.question[..] {
            "write_size" => format!("{} writes", row.case.name),
            "fan" => format!("{} at once", row.case.name),
            "handoff" => "a ready chunk".to_owned(),
            "workload" => "your workload".to_owned(),
            _ => row.case.name.clone(),
        };
        let mark = Mark { contender: row.contender.clone(), low: ratio.low, value: ratio.middle, high: ratio.high };
        match strips.iter_mut().find(|strip| strip.name == name) {
            Some(strip) => strip.marks.push(mark),
            None => strips.push(Strip { name, marks: vec![mark] }),
        }
        rows.push(row);
    }
    (strips, rows)
}

/// Draws strips.
pub fn plot(strips: &[Strip]) -> String {
    let show = |value| format!("{} x", quantity::digits(value));
    plot::strips("Times as fast as the best by hand", "to the right of the line is faster", strips, show, true)
}

fn is_usual(row: &Row) -> bool {
    row.question != "backpressure" || (row.case.chunk, row.case.capacity) == (32 << 10, 256 << 10)
}

/// Returns how many times as fast a figure is as the best of its peers.
fn to_the_best<'a>(peers: impl Iterator<Item = &'a Row>, measure: Measure, figure: &Figure) -> Option<Spread> {
    let figures = peers.filter_map(|row| row.figures.get(&measure));
    let best = figures.reduce(|best, other| {
        if measure.worsening(best.median, other.median).is_some_and(|worse| worse < 1.0) { other } else { best }
    })?;
    match measure {
        Measure::Throughput => Spread::of_ratios(&figure.samples, &best.samples),
        _ => Spread::of_ratios(&best.samples, &figure.samples),
    }
}
