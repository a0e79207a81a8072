//! Parses and checks the command line of `bench`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser};

use pushpull_bench::{Bench, Entry, Question, Report, contenders};

use super::keep;

pub const HELP: &str = "\
Measures bridges on this machine and recommends an engine.

Usage: pushpull bench [OPTIONS] [QUESTION]...

Examples:
  pushpull bench
  pushpull bench --html report.html --json today.json
  pushpull bench --workload write=4096,reader=10ms,bridges=1000
  pushpull bench --time 20 write_size handoff
  pushpull bench --contenders kanal,rtrb write_size
  pushpull bench --compare yesterday.json

Questions (default: all):
  handoff       what does one ready chunk cost?
  write_size    what does a byte cost, in small writes or in large ones?
  lifetime      what does a bridge cost that lives for one chunk or less?
  backpressure  how do capacity and chunk size matter if one side is slower?
  fan           what do many bridges at once cost?
  busy          how soon does a write arrive, and how much gets through, beside
                threads that never sleep?

Options:
  --workload NAME=VALUE,...
                    measures your own workload, and no question unless named:
                      write=BYTES    size of a write
                                     (default: 4096, maximum: 16777216)
                      writer=PACE    pauses of the program (default: full)
                      reader=PACE    pauses of the reader (default: full)
                      bridges=COUNT  bridges at once
                                     (default: 1, maximum: 100000)
                    PACE is `full`, a pause after each call (10ms), or a pause
                    after several calls (16x10ms); a pause is up to 10 s
  --contenders NAME,...
                    also measures queues and pipes of other libraries: flume,
                    kanal, async-channel, thingbuf, rtrb, simplex (of tokio),
                    piper, pipe, or all (default: none). The report says what
                    each cannot do
  --time SECONDS    approximate time (default: 60, minimum: 1, maximum: 86400).
                    A workload with long pauses or many bridges writes less and
                    tries fewer settings, or announces that it takes longer
  --json FILE       writes all figures, for --compare and other programs
                    (default: none)
  --html FILE       writes a page with plots (default: none)
  --svg FILE        writes a picture of the engines beside code written by hand
                    (default: none)
  --compare FILE    reports what got slower beyond the noise since FILE was
                    written with --json (default: none). The exit code is 1 if
                    something did, and 2 if the runs have no figure in common
  --quick           runs each case briefly, almost without pauses, to check that
                    it works; its figures cannot be compared
  --help            prints this text

Stop other work on the machine first. All contenders, also code written by hand,
take turns in rounds. A figure is the median of its rounds. A ratio is the
median of the ratios within the rounds. A figure that varies by more than a
quarter is marked with ~.

An interrupt (Ctrl-C) stops after the current measurement, a second one at once.
";

pub struct Arguments {
    pub bench: Bench,
    pub json: Option<PathBuf>,
    pub html: Option<PathBuf>,
    pub svg: Option<PathBuf>,
    pub compare: Option<(PathBuf, Report)>,
}

pub enum Wish {
    Measure(Box<Arguments>),
    Help,
}

const LONGEST: f64 = 86_400.0;

pub fn parse(mut parser: Parser) -> Result<Wish, String> {
    let mut said = Arguments { bench: Bench::new(), json: None, html: None, svg: None, compare: None };
    let (mut questions, mut own, mut quick) = (Vec::new(), None, false);
    while let Some(argument) = parser.next().map_err(crate::unclear)? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Wish::Help),
            Arg::Long("quick") => quick = true,
            Arg::Long("contenders") => said.bench = said.bench.entries(named(&text("contenders", &mut parser)?)?),
            Arg::Long("workload") => {
                let text = text("workload", &mut parser)?;
                let workload =
                    text.parse().map_err(|error| format!("invalid value {text:?} for --workload: {error}"))?;
                own = Some(Question::Workload(workload));
            }
            Arg::Long("time") => said.bench = said.bench.time(seconds(&text("time", &mut parser)?)?),
            Arg::Long("json") => said.json = Some(to_write("json", &mut parser)?),
            Arg::Long("html") => said.html = Some(to_write("html", &mut parser)?),
            Arg::Long("svg") => said.svg = Some(to_write("svg", &mut parser)?),
            Arg::Long("compare") => said.compare = Some(kept(&mut parser)?),
            Arg::Value(name) => {
                let known = Question::ALL.into_iter().find(|question| name == question.name());
                let question = known.ok_or_else(|| {
                    let names = Question::ALL.map(Question::name).join(", ");
                    format!("unknown question {name:?}: expected one of {names}")
                })?;
                if !questions.contains(&question) {
                    questions.push(question);
                }
            }
            other => return Err(crate::unclear(other.unexpected())),
        }
    }
    let outputs = [("json", &said.json), ("html", &said.html), ("svg", &said.svg)];
    for (number, (name, path)) in outputs.iter().enumerate() {
        if let (Some(path), Some((other, _))) = (path, outputs[..number].iter().find(|other| other.1 == *path)) {
            return Err(format!("cannot use {} for --{other} and for --{name}: expected two files", path.display()));
        }
    }
    if let Some((path, old)) = &said.compare {
        let trouble = |why| Err(format!("--compare {}: {why}", path.display()));
        if quick {
            return trouble("cannot compare a run with --quick: expected a run without it");
        }
        if old.quick {
            return trouble("was written with --quick: expected a report of a run without it");
        }
    }
    if quick {
        said.bench = said.bench.quick();
    }
    said.bench = questions.into_iter().chain(own).fold(said.bench, Bench::ask);
    Ok(Wish::Measure(Box::new(said)))
}

/// Returns what an option with a value expects.
fn expected(name: &str) -> &'static str {
    match name {
        "workload" => "NAME=VALUE,...",
        "contenders" => "NAME,...",
        "time" => "seconds from 1 to 86400",
        _ => "a file",
    }
}

fn text(name: &str, parser: &mut Parser) -> Result<String, String> {
    let value = parser.value().map_err(|_| crate::missing(name, expected(name)))?;
    value.into_string().map_err(|value| crate::invalid(name, value, "UTF-8"))
}

/// Returns the peers of these names, in order. `all` is all of them.
fn named(text: &str) -> Result<Vec<Entry>, String> {
    let peers = contenders::peers();
    if text == "all" {
        return Ok(peers);
    }
    let find = |name: &str| {
        let known = peers.iter().find(|peer| peer.name() == name);
        known.cloned().ok_or_else(|| {
            let names = peers.iter().map(Entry::name).collect::<Vec<_>>().join(", ");
            format!("unknown contender {name:?} for --contenders: expected all, or some of {names}")
        })
    };
    text.split(',').map(find).collect()
}

fn path(name: &str, parser: &mut Parser) -> Result<PathBuf, String> {
    parser.value().map(PathBuf::from).map_err(|_| crate::missing(name, expected(name)))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (1.0..=LONGEST).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| crate::invalid("time", text, expected("time")))
}

/// Returns the path of an output file, after a check that it can be written. Fails before anything is measured.
fn to_write(name: &str, parser: &mut Parser) -> Result<PathBuf, String> {
    let path = path(name, parser)?;
    if path.as_os_str().is_empty() {
        return Err(crate::invalid(name, path, expected(name)));
    }
    let trouble = |what: &str| Err(format!("--{name} {}: {what}", path.display()));
    if path.file_name().is_none() || path.is_dir() {
        return trouble("is a directory, expected a file");
    }
    match keep::check(&path) {
        Ok(()) => Ok(path),
        Err(error) => trouble(&format!("cannot be written: {error}; expected a writable file")),
    }
}

fn kept(parser: &mut Parser) -> Result<(PathBuf, Report), String> {
    let path = path("compare", parser)?;
    let text = fs::read_to_string(&path).map_err(|error| {
        format!("--compare {}: cannot be read: {error}; expected a report of --json", path.display())
    })?;
    let report = Report::from_json(&text).map_err(|error| format!("--compare {}: {error}", path.display()))?;
    Ok((path, report))
}
