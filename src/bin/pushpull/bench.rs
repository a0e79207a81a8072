//! `pushpull bench`: bridges measured on this machine, for choosing.

mod advice;
mod arguments;
mod compare;
mod html;
mod interrupt;
mod keep;
mod machine;
mod measuring;
mod plot;
mod progress;
mod questions;
mod report;
mod rounds;
mod table;

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use arguments::{Arguments, Wish};
use compare::Comparison;
use interrupt::Interrupt;
use machine::Machine;
use progress::Progress;
use report::{Report, SCHEMA};
use rounds::Interrupted;

/// Something got slower.
const SLOWER: u8 = 1;

pub fn run(parser: lexopt::Parser) -> Result<ExitCode, String> {
    let arguments = match arguments::parse(parser)? {
        Wish::Measure(arguments) => *arguments,
        Wish::Help => {
            crate::say(arguments::HELP);
            return Ok(ExitCode::SUCCESS);
        }
    };
    if let Some((path, old)) = &arguments.compare
        && !is_comparable(&arguments, old)
    {
        return Err(nothing_in_common(path));
    }
    let interrupt = Interrupt::on_signal().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let report = match measure(&arguments, &interrupt) {
        Ok(report) => report,
        Err(Interrupted) => {
            eprintln!("pushpull: interrupted; nothing is kept");
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
    let Some((path, old)) = &arguments.compare else { return Ok(ExitCode::SUCCESS) };
    let comparison = Comparison::new(old, &report);
    if comparison.is_empty() {
        return Err(nothing_in_common(path));
    }
    crate::say(&format!("\nSince {}, taken {}:\n{comparison}", path.display(), old.taken));
    Ok(if comparison.slower().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(SLOWER) })
}

/// Whether an engine is to be measured as it was then.
fn is_comparable(arguments: &Arguments, old: &Report) -> bool {
    arguments.questions.iter().any(|question| {
        let trials = question.trials(arguments.effort);
        trials.iter().any(|trial| compare::has(old, question.name(), trial))
    })
}

fn nothing_in_common(path: &Path) -> String {
    format!("--compare {}: no engine was measured there in any case that is measured now", path.display())
}

fn measure(arguments: &Arguments, interrupt: &Interrupt) -> Result<Report, Interrupted> {
    let Arguments { questions, effort, quick, workload, .. } = arguments;
    let progress = Progress::new(effort.total);
    let all: u32 = questions.iter().map(|question| question.weight()).sum();
    let mut rows = Vec::new();
    for question in questions {
        let time = effort.total * question.weight() / all;
        rows.extend(rounds::run(*question, *effort, time, &progress, interrupt)?);
    }
    Ok(Report {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        taken: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        machine: Machine::this(),
        quick: *quick,
        workload: workload.clone(),
        left_out: questions.iter().flat_map(|question| question.left_out()).collect(),
        rows,
    })
}

fn keep(path: &Path, text: &str) -> Result<(), String> {
    keep::keep(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
