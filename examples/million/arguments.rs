//! The command line.

use std::thread;

use lexopt::{Arg, Error, Parser, ValueExt};

pub const HELP: &str = "\
Holds a million programs in the middle of a write, and prints what each of them costs.

Usage: million [BRIDGES] [--workers COUNT]

  BRIDGES            how many programs (1000000, which takes about 8 GB of memory)
  --workers COUNT    how many threads run them (one for each processor)
  --help             this text

Examples:
  million                    all of it
  million 50000              for a small machine
  million 50000 --workers 1  on one thread, beside the one that pulls
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
    // More than an address space of 47 bits has room for.
    if !(1..=100_000_000).contains(&bridges) || !(1..=10_000).contains(&workers) {
        return Err(Error::Custom("the number of bridges or of workers is out of range".into()));
    }
    Ok(Wish::Run(Arguments { bridges, workers }))
}
