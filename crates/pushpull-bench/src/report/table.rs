//! The report as text for a terminal.

use console::{Alignment, measure_text_width, pad_str, style};

use super::advice;
use super::{Report, Row, contenders};
use crate::contender::Sizes;
use crate::report::figure::{Figure, Measure};
use crate::report::quantity;
use crate::report::statistics::Spread;

/// The columns of the backpressure cases.
const OF_PRESSURE: [(Measure, &str); 6] = [
    (Measure::Throughput, "throughput"),
    (Measure::Wakes, "wake-ups/MiB"),
    (Measure::Held, "writer blocked"),
    (Measure::InFlight, "in flight"),
    (Measure::Latency, "latency"),
    (Measure::SlowLatency, "99th"),
];

pub fn show(report: &Report) -> String {
    let mut text = String::new();
    let machine = &report.machine;
    text.push_str(&format!("{}, {} processors, {}\n", machine.processor, machine.processors, machine.system));
    for (question, title) in [
        ("handoff", "Handoff of a ready chunk"),
        ("write_size", "Throughput by write size"),
        ("lifetime", "Life of a bridge"),
        ("fan", "One of many bridges at once, 32 KiB through each"),
    ] {
        if report.of(question).next().is_some() {
            text.push_str(&format!("\n{}\n", style(title).bold()));
            let measure = if question == "write_size" { Measure::Throughput } else { Measure::Time };
            text.push_str(&lines(&matrix(&report.of(question).collect::<Vec<_>>(), measure)));
        }
    }
    let busy: Vec<&Row> = report.of("busy").collect();
    for (measure, title) in [
        (Measure::Latency, "From write to pull, beside busy threads"),
        (Measure::Throughput, "Throughput of 4 KiB writes, beside busy threads"),
    ] {
        if !busy.is_empty() {
            text.push_str(&format!("\n{}\n{}", style(title).bold(), lines(&matrix(&busy, measure))));
        }
    }
    for name in cases(report.of("backpressure")) {
        let rows: Vec<&Row> = report.of("backpressure").filter(|row| row.case.name == name && is_usual(row)).collect();
        pressure(&mut text, &format!("Writer and reader {name}, chunk 32 KiB, capacity 256 KiB"), &rows, false);
    }
    let own: Vec<&Row> = report.of("workload").collect();
    if let Some(row) = own.first() {
        pressure(&mut text, &row.case.name, &own, true);
    }
    lacks(&mut text, report);
    for left_out in &report.left_out {
        text.push_str(&format!("  left out: {left_out}\n"));
    }
    for row in report.rows.iter().filter(|row| row.failed.is_some()) {
        let why = row.failed.as_deref().unwrap_or_default();
        text.push_str(&format!("\n{}, {}, {}: not measured: {why}\n", row.question, row.case.name, row.contender));
    }
    let advice = advice::of(report);
    if !advice.is_empty() {
        text.push_str(&format!("\n{}\n", style("Recommendation").bold()));
    }
    for advice in advice {
        text.push_str(&format!("  {}\n    {}\n", style(advice.choice).cyan(), advice.reasons));
    }
    if let Some(warning) = report.warning() {
        text.push_str(&format!("\n{}\n", style(warning).yellow()));
    }
    text
}

/// Writes what contenders cannot do.
fn lacks(text: &mut String, report: &Report) {
    if report.lacks.is_empty() {
        return;
    }
    text.push_str(&format!("\n{}\n", style("Done by hand, or not at all").bold()));
    for (what, contenders) in report.lacking() {
        text.push_str(&format!("  cannot {what}: {}\n", contenders.join(", ")));
    }
}

fn is_usual(row: &Row) -> bool {
    (row.case.chunk, row.case.capacity) == (Sizes::DEFAULT.chunk, Sizes::DEFAULT.capacity)
}

/// Returns the names of the cases, in order of appearance.
fn cases<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for row in rows {
        if !names.contains(&&row.case.name[..]) {
            names.push(&row.case.name[..]);
        }
    }
    names
}

/// Returns a table with a line per case and a column per contender. A single case has a line per contender instead,
/// with the ratio to `Local`.
fn matrix(rows: &[&Row], measure: Measure) -> Vec<Vec<String>> {
    let cases = cases(rows.iter().copied());
    let find = |case: &str, contender: &str| {
        rows.iter().copied().find(|row| row.case.name == case && row.contender == contender)
    };
    if let [case] = cases[..] {
        let mut lines = vec![["", case, "middle half", "relative to Local"].map(str::to_owned).to_vec()];
        for contender in contenders(rows.iter().copied()) {
            let Some(row) = find(case, contender) else { continue };
            let Some(figure) = row.figures.get(&measure) else { continue };
            let Spread { low, high, .. } = figure.spread();
            let ratio = find(case, "Local")
                .and_then(|local| local.figures.get(&measure))
                .and_then(|local| ratio(figure, local));
            lines.push(vec![
                named(row),
                cell(row, measure, false),
                format!("{} to {}", measure.show(low), measure.show(high)),
                ratio.unwrap_or_default(),
            ]);
        }
        return lines;
    }
    let mut lines = vec![vec![String::new()]];
    lines[0].extend(contenders(rows.iter().copied()).into_iter().map(str::to_owned));
    for case in cases {
        let best = best(rows.iter().copied().filter(|row| row.case.name == case), measure);
        let mut line = vec![case.to_owned()];
        line.extend(contenders(rows.iter().copied()).into_iter().map(|contender| match find(case, contender) {
            Some(row) => cell(row, measure, best == Some(&row.contender)),
            None => "·".to_owned(),
        }));
        lines.push(line);
    }
    lines
}

fn ratio(figure: &Figure, to: &Figure) -> Option<String> {
    Spread::of_ratios(&figure.samples, &to.samples).map(|ratio| format!("{} x", quantity::digits(ratio.middle)))
}

fn best<'a>(rows: impl Iterator<Item = &'a Row>, measure: Measure) -> Option<&'a str> {
    let better = |a: f64, b: f64| measure.worsening(b, a).is_some_and(|worse| worse < 1.0);
    let best = rows.reduce(|best, row| match (best.median(measure), row.median(measure)) {
        (Some(least), Some(value)) if better(value, least) => row,
        (None, _) => row,
        _ => best,
    });
    best.map(|row| &row.contender[..])
}

fn named(row: &Row) -> String {
    if row.engine { style(&row.contender).bold().to_string() } else { row.contender.clone() }
}

fn cell(row: &Row, measure: Measure, best: bool) -> String {
    let Some(figure) = row.figures.get(&measure) else { return "·".to_owned() };
    let text = measure.show(figure.median);
    let noise = if row.is_noisy() { "~" } else { "" };
    if best { format!("{noise}{}", style(text).green().bold()) } else { format!("{noise}{text}") }
}

/// Writes a line per contender, or per setting of each contender.
fn pressure(text: &mut String, title: &str, rows: &[&Row], settings: bool) {
    let mut lines = vec![vec![String::new()]];
    if settings {
        lines[0].extend(["chunk", "capacity"].map(str::to_owned));
    }
    lines[0].extend(OF_PRESSURE.map(|(_, name)| name.to_owned()));
    let best = best(rows.iter().copied(), Measure::Throughput);
    for row in rows {
        let mut line = vec![named(row)];
        if settings {
            let queue = if row.contender == "Local" { "·".into() } else { quantity::bytes(row.case.capacity as f64) };
            line.extend([quantity::bytes(row.case.chunk as f64), queue]);
        }
        line.extend(OF_PRESSURE.map(|(measure, _)| match row.median(measure) {
            Some(0.0) if measure == Measure::InFlight => "·".to_owned(),
            _ if measure == Measure::Throughput => cell(row, measure, !settings && best == Some(&row.contender)),
            Some(value) => measure.show(value),
            None => "·".to_owned(),
        }));
        lines.push(line);
    }
    text.push_str(&format!("\n{}\n{}", style(title).bold(), self::lines(&lines)));
}

/// Aligns the first column left and the others right.
fn lines(table: &[Vec<String>]) -> String {
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| table.iter().filter_map(|line| line.get(column)).map(|cell| measure_text_width(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for (number, line) in table.iter().enumerate() {
        let mut cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let side = if column == 0 { Alignment::Left } else { Alignment::Right };
            pad_str(cell, *width, side, None).into_owned()
        });
        let padded = cells.by_ref().collect::<Vec<_>>().join("   ");
        let padded = padded.trim_end();
        let line = if number == 0 { style(padded).dim().to_string() } else { padded.to_owned() };
        text.push_str(&format!("  {line}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let table = [["", "a"], ["long", "12 µs"], ["b", "5 ns"]].map(|line| line.map(str::to_owned).to_vec());
        let text = console::strip_ansi_codes(&lines(&table)).into_owned();
        assert_eq!(text, "             a\n  long   12 µs\n  b       5 ns\n");
    }
}
