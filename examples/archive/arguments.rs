//! The command line.

use std::path::PathBuf;

use lexopt::{Arg, Error, Parser, ValueExt};

pub const HELP: &str = "\
Serves a directory over HTTP, with every directory in it as .zip and .tar.gz, made while it is downloaded.

Usage: archive [DIRECTORY] [--listen ADDRESS]

  DIRECTORY           what to serve (the current directory)
  --listen ADDRESS    where (127.0.0.1:8080); port 0 takes a free one and prints it
  --help              this text

Examples:
  archive                                    the current directory, for this machine
  archive ~/photos --listen 0.0.0.0:8000     for everyone who can reach this machine
  curl -O http://127.0.0.1:8080/?zip         the whole of it
";

pub struct Arguments {
    pub directory: PathBuf,
    pub listen: String,
}

pub enum Wish {
    Serve(Arguments),
    Help,
}

pub fn parse() -> Result<Wish, Error> {
    let mut directory = None;
    let mut listen = "127.0.0.1:8080".to_owned();
    let mut parser = Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Wish::Help),
            Arg::Long("listen") => listen = parser.value()?.string()?,
            Arg::Value(path) if directory.is_none() => directory = Some(PathBuf::from(path)),
            other => return Err(other.unexpected()),
        }
    }
    let directory = directory.unwrap_or_else(|| PathBuf::from("."));
    Ok(Wish::Serve(Arguments { directory, listen }))
}
