//! `pushpull bench`: measures bridges on this machine and recommends an engine.

mod advice;
mod arguments;
mod beside;
mod compare;
mod html;
mod interrupt;
mod keep;
mod machine;
mod picture;
mod plot;
mod progress;
mod questions;
mod report;
mod rounds;
mod table;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

pub use arguments::HELP;
use arguments::{Arguments, Wish};
use compare::Comparison;
use interrupt::Interrupt;
use machine::Machine;
use progress::Progress;
use questions::{Asked, Question};
use report::{Report, SCHEMA};
use rounds::Interrupted;

/// The exit code of `--compare` if a figure got slower.
const SLOWER: u8 = 1;

/// A workload that takes longer than its time by this factor is announced before it starts.
const MUCH_LONGER: u32 = 2;

/// A workload that takes longer than this is refused.
const ABSURD: Duration = Duration::from_secs(86_400);

pub fn run(parser: lexopt::Parser) -> Result<ExitCode, String> {
    let arguments = match arguments::parse(parser)? {
        Wish::Measure(arguments) => *arguments,
        Wish::Help => {
            crate::say(arguments::HELP);
            return Ok(ExitCode::SUCCESS);
        }
    };
    let asked = asked(&arguments);
    if let Some((path, old)) = &arguments.compare
        && !is_comparable(&asked, old)
    {
        return Err(nothing_in_common(path));
    }
    warn(&asked)?;
    let progress = Progress::new(asked.iter().map(Asked::about).sum());
    let interrupt =
        Interrupt::on_signal(progress.teller()).map_err(|error| format!("cannot listen for signals: {error}"))?;
    let report = match measure(&arguments, asked, progress, &interrupt) {
        Ok(report) => report,
        Err(Interrupted) => {
            eprintln!("pushpull: interrupted; no report was written");
            return Ok(ExitCode::from(interrupt::EXIT_CODE));
        }
    };
    crate::say(&table::show(&report));
    if let Some(path) = &arguments.json {
        keep(path, &report.to_json())?;
    }
    if let Some(path) = &arguments.html {
        keep(path, &html::page(&report))?;
    }
    if let Some(path) = &arguments.svg {
        let picture = picture::of(&report);
        keep(
            path,
            &picture.ok_or("--svg: no engine was measured beside code written by hand: expected such a question")?,
        )?;
    }
    let Some((path, old)) = &arguments.compare else { return Ok(ExitCode::SUCCESS) };
    let comparison = Comparison::new(old, &report);
    if comparison.is_empty() {
        return Err(nothing_in_common(path));
    }
    crate::say(&format!("\nCompared with {} of {}:\n{comparison}", path.display(), old.taken));
    Ok(if comparison.slower().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(SLOWER) })
}

/// Returns each question with its share of the time.
fn asked(Arguments { questions, effort, .. }: &Arguments) -> Vec<Asked> {
    let all: u32 = questions.iter().map(|question| question.weight()).sum();
    let ask = |question: &Question| question.asked(*effort, effort.total * question.weight() / all);
    questions.iter().map(ask).collect()
}

/// Returns `true` if at least one trial of an engine is also in the old report.
fn is_comparable(asked: &[Asked], old: &Report) -> bool {
    let has = |asked: &Asked| asked.trials.iter().any(|trial| compare::has(old, asked.question.name(), trial));
    asked.iter().any(has)
}

fn nothing_in_common(path: &Path) -> String {
    format!("--compare {}: no engine in common: expected a report of the same questions or workload", path.display())
}

/// Warns if a question takes much longer than its time.
///
/// # Errors
///
/// Returns an error if a question takes longer than [`ABSURD`].
fn warn(asked: &[Asked]) -> Result<(), String> {
    for Asked { time, takes, .. } in asked {
        let about = humantime::format_duration(Duration::from_secs(takes.as_secs())).to_string();
        // The estimate is not exact to the second: show the two largest units.
        let about = about.split(' ').take(2).collect::<Vec<_>>().join(" ");
        if *takes > ABSURD {
            return Err(format!("--workload would take about {about}: expected at most one day"));
        }
        if *takes > *time * MUCH_LONGER {
            eprintln!("pushpull: --workload takes about {about}: its pauses or bridges allow no shorter run");
        }
    }
    Ok(())
}

fn measure(
    Arguments { effort, quick, workload, .. }: &Arguments,
    asked: Vec<Asked>,
    progress: Progress,
    interrupt: &Interrupt,
) -> Result<Report, Interrupted> {
    let (mut rows, mut left_out) = (Vec::new(), Vec::new());
    for mut asked in asked {
        left_out.append(&mut asked.left_out);
        rows.extend(rounds::run(asked, *effort, &progress, interrupt)?);
    }
    Ok(Report {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        taken: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        machine: Machine::this(),
        quick: *quick,
        workload: workload.clone(),
        left_out,
        rows,
    })
}

fn keep(path: &Path, text: &str) -> Result<(), String> {
    keep::keep(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
