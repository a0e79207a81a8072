//! Parses the command line.

use lexopt::{Arg, Error, Parser, ValueExt};

pub const HELP: &str = "\
Serves downloads over HTTP, written while they are sent, with axum and a pool.

Usage: downloads [--listen ADDRESS]

Examples:
  downloads
  downloads --listen 0.0.0.0:8000

Options:
  --listen ADDRESS    HOST:PORT, where port 0 takes a free port and prints it
                      (default: 127.0.0.1:8081)
  --help              prints this text

Paths:
  /                          page with links
  /readings.csv?rows=1000    rows written by the csv crate (default: 1000000)
  /readings.zip?rows=1000    the same, packed by the zip crate
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
