//! `pushpull bench`: measures bridges on this machine and recommends an engine.

mod arguments;
mod interrupt;
mod keep;
mod progress;

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

pub use arguments::HELP;
use arguments::Wish;
use interrupt::Interrupt;
use progress::Progress;
use pushpull_bench::Plan;

/// The exit code of `--compare` if a figure got slower.
const SLOWER: u8 = 1;

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
    let plan = arguments.bench.plan();
    if let Some((path, old)) = &arguments.compare
        && !plan.is_comparable(old)
    {
        return Err(nothing_in_common(path));
    }
    warn(&plan)?;
    let progress = Progress::new(plan.time());
    let interrupt =
        Interrupt::on_signal(progress.teller()).map_err(|error| format!("cannot listen for signals: {error}"))?;
    let measured = plan.run(|next| {
        progress.show(&next);
        if interrupt.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(progress);
    let ControlFlow::Continue(report) = measured else {
        eprintln!("pushpull: interrupted; no report was written");
        return Ok(ExitCode::from(interrupt::EXIT_CODE));
    };
    crate::say(&report.table());
    if let Some(path) = &arguments.json {
        keep(path, &report.to_json())?;
    }
    if let Some(path) = &arguments.html {
        keep(path, &report.html())?;
    }
    if let Some(path) = &arguments.svg {
        let picture = report.svg();
        keep(
            path,
            &picture.ok_or("--svg: no engine was measured beside code written by hand: expected such a question")?,
        )?;
    }
    let Some((path, old)) = &arguments.compare else { return Ok(ExitCode::SUCCESS) };
    let comparison = report.compared_with(old);
    if comparison.is_empty() {
        return Err(nothing_in_common(path));
    }
    crate::say(&format!("\nCompared with {} of {}:\n{comparison}", path.display(), old.taken));
    Ok(if comparison.slower().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(SLOWER) })
}

fn nothing_in_common(path: &Path) -> String {
    format!("--compare {}: no engine in common: expected a report of the same questions or workload", path.display())
}

/// Warns if a workload takes much longer than its time.
///
/// # Errors
///
/// Returns an error if it takes longer than [`ABSURD`].
fn warn(plan: &Plan) -> Result<(), String> {
    for (_, takes) in plan.slow() {
        let about = humantime::format_duration(Duration::from_secs(takes.as_secs())).to_string();
        // The estimate is not exact to the second: show the two largest units.
        let about = about.split(' ').take(2).collect::<Vec<_>>().join(" ");
        if takes > ABSURD {
            return Err(format!("--workload would take about {about}: expected at most one day"));
        }
        eprintln!("pushpull: --workload takes about {about}: its pauses or bridges allow no shorter run");
    }
    Ok(())
}

fn keep(path: &Path, text: &str) -> Result<(), String> {
    keep::keep(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
