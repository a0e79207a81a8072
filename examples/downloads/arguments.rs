//! The command line.

use lexopt::{Arg, Error, Parser, ValueExt};

pub const HELP: &str = "\
Serves downloads over HTTP that are made while they are sent, on axum and a pool of coroutines.

Usage: downloads [--listen ADDRESS]

  --listen ADDRESS    where (127.0.0.1:8081); port 0 takes a free one and prints it
  --help              this text

What it serves:
  /                          a page with links
  /readings.csv?rows=1000    so many rows (1000000 unless given), by the csv crate
  /readings.zip?rows=1000    the same, packed while it is written, by the zip crate
";

pub struct Arguments {
    pub listen: String,
}

pub enum Wish {
    Serve(Arguments),
    Help,
}

pub fn parse() -> Result<Wish, Error> {
    let mut listen = "127.0.0.1:8081".to_owned();
    let mut parser = Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Wish::Help),
            Arg::Long("listen") => listen = parser.value()?.string()?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Wish::Serve(Arguments { listen }))
}
