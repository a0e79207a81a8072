//! The report as a self-contained page: one file, without scripts or external resources.

use std::fmt::Write;

use super::advice;
use super::beside;
use super::plot::{self, LinePlot, Mark, Point, Series, Strip, class, escaped};
use super::{Case, Report, Row, contenders};
use crate::report::figure::Measure;
use crate::report::quantity;
use crate::report::statistics::Spread;
use crate::run::neighbours::Processors;
use crate::run::speeds::SPEEDS;

const STYLE: &str = include_str!("html/page.css");

pub fn page(report: &Report) -> String {
    let mut html = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    html.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n<title>pushpull bench</title>\n");
    let _ =
        writeln!(html, "<style>\n{}{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>pushpull bench</h1>", plot::STYLE);
    let machine = &report.machine;
    let _ = writeln!(
        html,
        "<p>{}, {} processors, {}. pushpull {}, {}.</p>",
        escaped(&machine.processor),
        machine.processors,
        escaped(&machine.system),
        escaped(&report.version),
        escaped(&report.taken)
    );
    if let Some(warning) = report.warning() {
        let _ = writeln!(html, "<p class=\"warning\" role=\"note\">{}</p>", escaped(&warning));
    }
    html.push_str("</header>\n<main>\n");
    recommendations(&mut html, report);
    own(&mut html, report);
    beside(&mut html, report);
    write_size(&mut html, report);
    backpressure(&mut html, report);
    lives(&mut html, report);
    busy(&mut html, report);
    lacks(&mut html, report);
    html.push_str(
        "</main>\n<footer><p>Created by <code>pushpull bench --html</code>. A mark is the median of its rounds, and the ",
    );
    html.push_str(
        "band or bar around it is the middle half. Filled marks are engines, open marks are written by hand.",
    );
    html.push_str("</p></footer>\n</body>\n</html>\n");
    html
}

fn section(html: &mut String, report: &Report, id: &str, title: &str, words: &str, plots: &[String], rows: &[&Row]) {
    if plots.iter().all(String::is_empty) {
        return;
    }
    let _ = writeln!(html, "<section id=\"{id}\">\n<h2>{title}</h2>\n<p>{words}</p>");
    legend(html, report, plots);
    html.push_str("<div class=\"plots\">\n");
    for plot in plots.iter().filter(|plot| !plot.is_empty()) {
        let _ = writeln!(html, "<figure>{plot}</figure>");
    }
    html.push_str("</div>\n");
    figures(html, rows);
    html.push_str("</section>\n");
}

/// Writes the legend of the contenders that appear in the plots.
fn legend(html: &mut String, report: &Report, plots: &[String]) {
    html.push_str("<ul class=\"legend\">");
    for contender in plot::legend(report, plots) {
        let mut mark = String::new();
        plot::sign(&mut mark, contender, 14.0, 8.0);
        let _ = write!(
            html,
            "<li class=\"series s-{}\"><svg viewBox=\"0 0 28 16\" aria-hidden=\"true\"><path class=\"line\" d=\"M0 8H28\"/>{mark}</svg>{}</li>",
            class(contender),
            escaped(contender)
        );
    }
    html.push_str("</ul>\n");
}

/// Writes a table of all figures of the rows.
fn figures(html: &mut String, rows: &[&Row]) {
    let mut measures: Vec<Measure> = rows.iter().flat_map(|row| row.figures.keys().copied()).collect();
    measures.sort();
    measures.dedup();
    html.push_str("<details><summary>All figures</summary>\n<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">case</th>");
    html.push_str("<th scope=\"col\">contender</th><th scope=\"col\">chunk</th><th scope=\"col\">capacity</th>");
    for measure in &measures {
        let _ = write!(html, "<th scope=\"col\">{}</th>", measure.name());
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        let Case { name, chunk, capacity, .. } = &row.case;
        let [chunk, capacity] = [chunk, capacity].map(|count| quantity::bytes(*count as f64));
        let _ = write!(
            html,
            "<tr><td>{}</td><th scope=\"row\">{}</th><td>{chunk}</td><td>{capacity}</td>",
            escaped(name),
            escaped(&row.contender)
        );
        if let Some(failed) = &row.failed {
            let _ = write!(html, "<td colspan=\"{}\">not measured: {}</td>", measures.len(), escaped(failed));
        } else {
            for measure in &measures {
                let shown = row.figures.get(measure).map(|figure| {
                    let [low, middle, high] = [figure.low, figure.median, figure.high].map(|value| measure.show(value));
                    format!("{middle} <small>{low} to {high}</small>")
                });
                let _ = write!(html, "<td>{}</td>", shown.as_deref().unwrap_or("·"));
            }
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div></details>\n");
}

fn recommendations(html: &mut String, report: &Report) {
    let advice = advice::of(report);
    if advice.is_empty() {
        return;
    }
    html.push_str("<section id=\"advice\">\n<h2>Recommendation</h2>\n<ul class=\"advice\">\n");
    for advice in advice {
        let (choice, reasons) = (escaped(&advice.choice), escaped(&advice.reasons));
        let _ = writeln!(html, "<li><strong>{choice}</strong> <span>{reasons}</span></li>");
    }
    html.push_str("</ul>\n</section>\n");
}

/// Writes what contenders cannot do, which their figures do not show.
fn lacks(html: &mut String, report: &Report) {
    if report.lacks.is_empty() {
        return;
    }
    html.push_str("<section id=\"lacks\">\n<h2>What is done by hand, or not at all</h2>\n<ul class=\"advice\">\n");
    for (what, contenders) in report.lacking() {
        let _ =
            writeln!(html, "<li><strong>Cannot {what}:</strong> <span>{}</span></li>", escaped(&contenders.join(", ")));
    }
    html.push_str("</ul>\n</section>\n");
}

/// Draws one measure as lines, over the value that `x` reads from a case.
fn line_plot<'a>(
    title: &str,
    (along, along_is_bytes): (&'static str, bool),
    measure: Measure,
    rows: impl Iterator<Item = &'a Row> + Clone,
    x: impl Fn(&Case) -> usize,
) -> String {
    let of_contender = |contender: &str| {
        let mine = rows.clone().filter(|row| row.contender == contender);
        let point = |row: &Row| {
            let Spread { low, middle: y, high } = row.figures.get(&measure)?.spread();
            Some(Point { x: x(&row.case) as f64, low, y, high })
        };
        let mut points: Vec<Point> = mine.filter_map(point).collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        Series { contender: contender.to_owned(), points }
    };
    let series =
        contenders(rows.clone()).into_iter().map(of_contender).filter(|series| !series.points.is_empty()).collect();
    LinePlot { title: title.to_owned(), along, along_is_bytes, measure, series }.svg()
}

fn write_size(html: &mut String, report: &Report) {
    let rows = report.of("write_size");
    let along = ("size of a write", true);
    let plots = [
        line_plot("Throughput", along, Measure::Throughput, rows.clone(), |case| case.write),
        line_plot("Wake-ups per MiB", along, Measure::Wakes, rows.clone(), |case| case.write),
    ];
    let words = "A program writes at full speed, in writes of one size, and the reader adds up every byte.";
    section(html, report, "write-size", "Throughput against write size", words, &plots, &rows.collect::<Vec<_>>());
}

fn backpressure(html: &mut String, report: &Report) {
    let usual_chunk =
        |row: &&Row| row.case.chunk == 32 << 10 && row.contender != "Local" && row.contender != "io::pipe";
    let mut plots = Vec::new();
    for (speeds, _) in SPEEDS {
        let rows = report.of("backpressure").filter(move |row| row.case.name == speeds);
        for measure in [Measure::Latency, Measure::Throughput, Measure::Wakes] {
            let title = format!("{speeds}: {}", measure.name());
            let by_capacity = rows.clone().filter(usual_chunk);
            plots.push(line_plot(&title, ("capacity", true), measure, by_capacity, |case| case.capacity));
        }
    }
    let words = "A writer and a reader of given speeds, with 4 KiB per write and chunks of 32 KiB, by capacity. The slow \
                 writer pauses for 50 µs after each write, the slow reader for 200 µs after each pull. The bursty writer \
                 pauses for 2 ms after 128 KiB, the bursty reader for 1 ms after four chunks.";
    let rows: Vec<&Row> = report.of("backpressure").collect();
    section(html, report, "backpressure", "Latency, throughput and wake-ups against capacity", words, &plots, &rows);

    let mut plots = Vec::new();
    for (speeds, _) in SPEEDS {
        let usual =
            |row: &&Row| row.case.name == speeds && row.case.capacity == 256 << 10 && row.contender != "io::pipe";
        let rows = report.of("backpressure").filter(usual);
        let title = format!("{speeds}: latency");
        plots.push(line_plot(&title, ("chunk size", true), Measure::Latency, rows, |case| case.chunk));
    }
    let words =
        "The same by chunk size, with a capacity of 256 KiB. Local has no queue: bytes arrive when a chunk is full.";
    section(html, report, "chunks", "Latency against chunk size", words, &plots, &rows);
}

fn own(html: &mut String, report: &Report) {
    let rows: Vec<&Row> = report.of("workload").collect();
    let queued = report.of("workload").filter(|row| row.contender != "Local");
    // Small capacities are measured with small chunks only: show the largest chunk up to 32 KiB.
    let engines = queued.clone().filter(|row| row.engine);
    let chunk = engines.map(|row| row.case.chunk).filter(|chunk| *chunk <= 32 << 10).max().unwrap_or_default();
    let of_chunk = queued.filter(move |row| row.case.chunk == chunk);
    let plots = [Measure::Throughput, Measure::Latency, Measure::Wakes]
        .map(|measure| line_plot(measure.name(), ("capacity", true), measure, of_chunk.clone(), |case| case.capacity));
    let mut words = format!(
        "<code>--workload {}</code>, chunks of {}.",
        escaped(report.workload.as_deref().unwrap_or_default()),
        quantity::bytes(chunk as f64)
    );
    if rows.iter().any(|row| row.contender == "Local") {
        words.push_str(" <code>Local</code> has no capacity, so it is only in the table.");
    }
    for left_out in &report.left_out {
        let _ = write!(words, " Left out: {}.", escaped(left_out));
    }
    section(html, report, "workload", "Your workload", &words, &plots, &rows);
}

fn strip<'a>(name: &str, rows: impl Iterator<Item = &'a Row>, measure: Measure) -> Strip {
    let mark = |row: &Row| {
        let Spread { low, middle: value, high } = row.figures.get(&measure)?.spread();
        Some(Mark { contender: row.contender.clone(), low, value, high })
    };
    Strip { name: name.to_owned(), marks: rows.filter_map(mark).collect() }
}

fn lives(html: &mut String, report: &Report) {
    let rows = report.of("lifetime");
    let of_case = |name| strip(name, rows.clone().filter(move |row| row.case.name == name), Measure::Time);
    let strips = ["one chunk", "never pulled", "aborted"].map(of_case);
    let show = |value| quantity::seconds(value);
    let plots = [
        plot::strips("Life of a bridge", "time", &strips, show, false),
        line_plot("One of many at once", ("bridges at once", false), Measure::Time, report.of("fan"), |case| {
            case.bridges
        }),
    ];
    let words = "The life of a bridge that delivers one chunk, is never read, or is dropped while its program is writing. And \
                 each of many bridges at once, with 32 KiB through it.";
    let rows: Vec<&Row> = rows.chain(report.of("fan")).collect();
    section(html, report, "lifetime", "Life of a bridge, and many at once", words, &plots, &rows);
}

fn busy(html: &mut String, report: &Report) {
    let rows: Vec<&Row> = report.of("busy").collect();
    let mut plots = Vec::new();
    for processors in Processors::ALL.map(Processors::name) {
        let rows = report.of("busy").filter(move |row| row.case.name.ends_with(processors));
        for (measure, what) in [(Measure::Latency, "from write to pull"), (Measure::Throughput, "throughput")] {
            let title = format!("On {processors}: {what}");
            plots.push(line_plot(&title, ("busy threads", false), measure, rows.clone(), |case| case.neighbours));
        }
    }
    let words = "One bridge beside threads that compute and never sleep, all on the same one or two processors: the time \
                 until a write reaches a sleeping reader, and the throughput of 4 KiB writes.";
    section(html, report, "busy", "Beside busy threads", words, &plots, &rows);
}

/// Draws each engine as a ratio to the best contender written by hand.
fn beside(html: &mut String, report: &Report) {
    let (strips, rows) = beside::strips(report);
    let half = strips.len().div_ceil(2).max(1);
    let plots: Vec<String> = strips.chunks(half).map(beside::plot).collect();
    let words = format!(
        "Each engine beside the best contender written by hand with threads ({}), as ratios within the same round.",
        beside::peers(report)
    );
    section(html, report, "beside", "Engines beside code written by hand", &words, &plots, &rows);
}
