//! Parses the command line.

use std::thread;

use lexopt::{Arg, Error, Parser, ValueExt};

pub const HELP: &str = "\
Suspends a million programs in the middle of a write, and prints their cost.

Usage: million [BRIDGES] [--workers COUNT]

Examples:
  million                    a million programs
  million 50000              for a small machine
  million 50000 --workers 1  on one thread, besides the one that pulls

Options:
  BRIDGES            number of programs (default: 1000000, which takes about
                     8 GB of memory; maximum: 100000000)
  --workers COUNT    threads that run them (default: one per processor,
                     maximum: 10000)
  --help             prints this text
";

pub struct Arguments {
    pub bridges: usize,
    pub workers: usize,
}

pub enum Wish {
    Run(Arguments),
    Help,
}

pub fn parse() -> Result<Wish, Error> {
    let mut bridges = None;
    let mut workers = thread::available_parallelism().map_or(1, usize::from);
    let mut parser = Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Wish::Help),
            Arg::Long("workers") => workers = parser.value()?.parse()?,
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
    Ok(Wish::Run(Arguments { bridges, workers }))
}
