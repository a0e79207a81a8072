//! Parses the command line.

use std::thread;

use lexopt::{Arg, Error, Parser, ValueExt};

pub const HELP: &str = "\
Suspends a million programs in the middle of a write, and prints their cost.

Usage: million [BRIDGES] [--workers COUNT] [--stack KIB]

Examples:
  million                    a million programs
  million 50000              for a small machine
  million 50000 --workers 1  on one thread, besides the one that pulls
  million --stack 64         with small stacks, which share page tables

Options:
  BRIDGES            number of programs (default: 1000000, which takes about
                     8 GB of memory; maximum: 100000000)
  --workers COUNT    threads that run them (default: one per processor,
                     maximum: 10000)
  --stack KIB        size of each stack (default: the library's, 1024;
                     minimum: 16, maximum: 65536)
  --help             prints this text
";

pub struct Arguments {
    pub bridges: usize,
    pub workers: usize,
    /// In bytes, if it is not the default.
    pub stack: Option<usize>,
}

pub enum Wish {
    Run(Arguments),
    Help,
}

pub fn parse() -> Result<Wish, Error> {
    let mut bridges = None;
    let mut workers = thread::available_parallelism().map_or(1, usize::from);
    let mut stack = None;
    let mut parser = Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Wish::Help),
            Arg::Long("workers") => workers = parser.value()?.parse()?,
            Arg::Long("stack") => stack = Some(parser.value()?.parse()?),
            Arg::Value(count) if bridges.is_none() => bridges = Some(count.parse()?),
            other => return Err(other.unexpected()),
        }
    }
    let bridges = bridges.unwrap_or(1_000_000);
    // More bridges do not fit into an address space of 47 bits.
    if !(1..=100_000_000).contains(&bridges) || !(1..=10_000).contains(&workers) {
        return Err(Error::Custom(
            "invalid BRIDGES or --workers: expected 1 to 100000000 bridges and 1 to 10000 workers".into(),
        ));
    }
    if stack.is_some_and(|kib| !(16..=65_536).contains(&kib)) {
        return Err(Error::Custom("invalid --stack: expected 16 to 65536 KiB".into()));
    }
    Ok(Wish::Run(Arguments { bridges, workers, stack: stack.map(|kib: usize| kib << 10) }))
}
