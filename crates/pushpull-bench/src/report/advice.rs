//! The recommended settings, with the figures behind them.

use super::{Case, Report, Row};
use crate::report::figure::Measure;
use crate::report::quantity;

/// Throughput of at least this part of the fastest counts as equally fast.
const AS_FAST: f64 = 0.9;

/// Latency and wake-ups of at most this factor of the best count as equally good.
const AS_GOOD: f64 = 1.25;

#[derive(Debug, PartialEq, Eq)]
pub struct Advice {
    pub choice: String,
    pub reasons: String,
}

/// Returns the recommendation for each pair of speeds, and for the user's workload.
pub fn of(report: &Report) -> Vec<Advice> {
    let mut cases: Vec<&str> = Vec::new();
    let rows: Vec<&Row> = report.rows.iter().filter(|row| is_asked(row)).collect();
    for row in &rows {
        if !cases.contains(&&row.case.name[..]) {
            cases.push(&row.case.name);
        }
    }
    let of_case = |name: &&str| rows.iter().copied().filter(|row| row.case.name == *name).collect::<Vec<_>>();
    cases.iter().map(of_case).filter_map(|rows| for_case(&rows)).collect()
}

fn is_asked(row: &Row) -> bool {
    matches!(&row.question[..], "backpressure" | "workload") && row.failed.is_none()
}

fn for_case(rows: &[&Row]) -> Option<Advice> {
    let (engines, others): (Vec<&Row>, Vec<&Row>) = rows.iter().copied().partition(|row| row.engine);
    let best = choose(&engines)?;
    let by_hand = choose(&others);
    let mut choice = format!("For {}: {}", situation(&best.case), setting(best));
    if best.contender == "Local" {
        let apart: Vec<&Row> = engines.iter().copied().filter(|row| row.contender != "Local").collect();
        if let Some(apart) = choose(&apart) {
            choice.push_str(&format!("; if the two sides need separate threads, {}", setting(apart)));
        }
    }
    let mut reasons = format!("{}: {}", best.contender, figures(best));
    if best.case.bridges > 1 {
        let all = memory(best).0.saturating_mul(best.case.bridges);
        reasons.push_str(&format!("; all bridges together hold up to {}", quantity::bytes(all as f64)));
    }
    if let Some(by_hand) = by_hand {
        reasons.push_str(&format!(". By hand, {}: {}", by_hand.contender, figures(by_hand)));
    }
    Some(Advice { choice: choice + ".", reasons: reasons + "." })
}

/// Picks the fastest row. Ties are broken by latency, then wake-ups, then memory.
fn choose<'a>(rows: &[&'a Row]) -> Option<&'a Row> {
    let fastest = rows.iter().filter_map(|row| row.median(Measure::Throughput)).fold(0.0, f64::max);
    let fast = |row: &&&Row| row.median(Measure::Throughput).is_some_and(|rate| rate >= fastest * AS_FAST);
    let mut left: Vec<&Row> = rows.iter().filter(fast).copied().collect();
    let measures: [fn(&Row) -> f64; 2] =
        [|row| row.median(Measure::Latency).unwrap_or(f64::MAX), |row| row.median(Measure::Wakes).unwrap_or(0.0)];
    for measure in measures {
        let least = left.iter().map(|row| measure(row)).fold(f64::MAX, f64::min);
        left.retain(|row| measure(row) <= least * AS_GOOD);
    }
    left.into_iter().min_by_key(|row| memory(row))
}

/// Returns how many bytes a bridge may hold, then its chunk size.
fn memory(row: &Row) -> (usize, usize) {
    let Case { chunk, capacity, .. } = row.case;
    (if row.contender == "Local" { chunk } else { capacity }, chunk)
}

fn setting(row: &Row) -> String {
    let Case { chunk, capacity, .. } = row.case;
    let chunk = quantity::bytes(chunk as f64);
    match &row.contender[..] {
        "Local" => format!("Local, chunk {chunk}"),
        contender => format!("{contender}, chunk {chunk}, capacity {}", quantity::bytes(capacity as f64)),
    }
}

fn situation(case: &Case) -> String {
    let side = |name: &str, pace: &str, call: &str| {
        let pace = pace.replace("us", " µs").replace("ms", " ms");
        match pace.split_once('x') {
            _ if pace == "full" => format!("a {name} at full speed"),
            Some((calls, pause)) => format!("a {name} that pauses {pause} after every {calls} {call}s"),
            None => format!("a {name} that pauses {pace} after each {call}"),
        }
    };
    let bridges = if case.bridges == 1 { String::new() } else { format!(", {} bridges at once", case.bridges) };
    format!(
        "{} writes, {} and {}{bridges}",
        quantity::bytes(case.write as f64),
        side("writer", &case.writer, "write"),
        side("reader", &case.reader, "pull")
    )
}

fn figures(row: &Row) -> String {
    let measures = [
        (Measure::Throughput, ""),
        (Measure::Latency, " from write to pull"),
        (Measure::SlowLatency, " at the 99th percentile"),
        (Measure::Wakes, " wake-ups per MiB"),
        (Measure::InFlight, " in flight (maximum)"),
    ];
    let shown = measures.into_iter().filter_map(|(measure, what)| Some((measure, what, row.median(measure)?)));
    // Without a queue nothing is in flight.
    let shown = shown.filter(|(measure, _, value)| *measure != Measure::InFlight || *value > 0.0);
    shown.map(|(measure, what, value)| measure.show(value) + what).collect::<Vec<_>>().join(", ")
}
