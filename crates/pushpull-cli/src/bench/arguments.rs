//! The command line of `bench`, checked.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser};

use super::keep;
use super::questions::Question;
use super::report::Report;
use pushpull_measure::effort::Effort;

pub const HELP: &str = "\
Measures bridges on this machine, beside what is written by hand, and says which to take.

Usage: pushpull bench [OPTIONS] [QUESTION]...

Questions (all of them unless some are named):
  handoff       what does one ready chunk cost?
  write_size    what does a byte cost, written in small pieces or in large ones?
  lifetime      what does a bridge cost that lives for one chunk, or less?
  backpressure  what do capacity and chunk size do, where one side is slower?
  fan           what do many bridges at once cost?
  busy          how soon does a write arrive, and how much gets through, beside threads that never wait?

  --workload NAME=VALUE,...  asks about a case of your own, and about nothing else unless questions are named:
                               write=BYTES    the length of a write (4096)
                               writer=PACE    what the program does between its writes (full)
                               reader=PACE    what the host does between its pulls (full)
                               bridges=COUNT  how many there are at once (1)
                             a PACE is `full`, a pause after each call (10ms), or after some (16x10ms)
  --time SECONDS             about how long, from 1 to 86400 (60); where a workload pauses for long, or has many
                             bridges, less is written and fewer settings are tried, or it says that it takes longer
  --json FILE                keeps all figures, for --compare and for other programs
  --html FILE                a page with plots
  --compare FILE             says what got slower since that file was kept, beyond the noise; if something did, the
                             exit code is 1; if nothing was measured then as it is now, there is no verdict, and it is 2
  --quick                    runs each case for a moment, with hardly a pause, only to see that it works; what it keeps
                             cannot be compared
  --help                     this text

An interrupt (Ctrl-C) ends it after the measurement that is going on, a second one at once.

Stop other work on the machine first. Everything takes turns, round after round; a figure is the median of its rounds, a
ratio the median of the ratios within the rounds, and ~ stands before what varies by more than a quarter.

Examples:
  pushpull bench
  pushpull bench --html report.html --json today.json
  pushpull bench --workload write=4096,reader=10ms,bridges=1000
  pushpull bench --time 20 write_size handoff
  pushpull bench --compare yesterday.json
";

pub struct Arguments {
    pub questions: Vec<Question>,
    pub effort: Effort,
    pub quick: bool,
    pub workload: Option<String>,
    pub json: Option<PathBuf>,
    pub html: Option<PathBuf>,
    pub compare: Option<(PathBuf, Report)>,
}

pub enum Wish {
    Measure(Box<Arguments>),
    Help,
}

const LONGEST: f64 = 86_400.0;

pub fn parse(mut parser: Parser) -> Result<Wish, String> {
    let mut said = Arguments {
        questions: Vec::new(),
        effort: Effort::full(Duration::from_secs(60)),
        quick: false,
        workload: None,
        json: None,
        html: None,
        compare: None,
    };
    let mut own = None;
    while let Some(argument) = parser.next().map_err(crate::unclear)? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Wish::Help),
            Arg::Long("quick") => said.quick = true,
            Arg::Long("workload") => {
                let workload =
                    text("workload", &mut parser)?.parse().map_err(|error| format!("--workload: {error}"))?;
                own = Some(Question::Workload(workload));
                said.workload = Some(workload.to_string());
            }
            Arg::Long("time") => said.effort = Effort::full(seconds(&text("time", &mut parser)?)?),
            Arg::Long("json") => said.json = Some(to_write("json", &mut parser)?),
            Arg::Long("html") => said.html = Some(to_write("html", &mut parser)?),
            Arg::Long("compare") => said.compare = Some(kept(&mut parser)?),
            Arg::Value(name) => {
                let known = Question::ALL.into_iter().find(|question| name == question.name());
                let question = known.ok_or_else(|| format!("there is no question {name:?}; try --help"))?;
                if !said.questions.contains(&question) {
                    said.questions.push(question);
                }
            }
            other => return Err(crate::unclear(other.unexpected())),
        }
    }
    if let Some((path, old)) = &said.compare {
        let trouble = |why| Err(format!("--compare {}: {why}", path.display()));
        if said.quick {
            return trouble("the figures of a run with --quick mean nothing, and are not compared");
        }
        if old.quick {
            return trouble("was kept with --quick: its figures mean nothing, and are not compared");
        }
    }
    if said.quick {
        said.effort = Effort::QUICK;
    }
    if said.questions.is_empty() && own.is_none() {
        said.questions = Question::ALL.to_vec();
    }
    said.questions.extend(own);
    Ok(Wish::Measure(Box::new(said)))
}

fn text(name: &str, parser: &mut Parser) -> Result<String, String> {
    let value = parser.value().map_err(crate::unclear)?;
    value.into_string().map_err(|value| format!("--{name} is not given as text: {value:?}"))
}

fn path(parser: &mut Parser) -> Result<PathBuf, String> {
    parser.value().map(PathBuf::from).map_err(crate::unclear)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (1.0..=LONGEST).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("--time takes seconds from 1 to 86400, which {text:?} is not"))
}

/// Where a file can be written. Told before anything is measured.
fn to_write(name: &str, parser: &mut Parser) -> Result<PathBuf, String> {
    let path = path(parser)?;
    let trouble = |what: &str| Err(format!("--{name} {}: {what}", path.display()));
    if path.file_name().is_none() || path.is_dir() {
        return trouble("is a directory");
    }
    match keep::check(&path) {
        Ok(()) => Ok(path),
        Err(error) => trouble(&format!("cannot be written: {error}")),
    }
}

fn kept(parser: &mut Parser) -> Result<(PathBuf, Report), String> {
    let path = path(parser)?;
    let text = fs::read_to_string(&path).map_err(|error| format!("--compare {}: {error}", path.display()))?;
    let report = Report::from_json(&text).map_err(|error| format!("--compare {}: {error}", path.display()))?;
    Ok((path, report))
}
