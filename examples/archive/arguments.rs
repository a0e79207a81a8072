//! Parses the command line.

use std::path::PathBuf;

use lexopt::{Arg, Error, Parser, ValueExt};

pub const HELP: &str = "\
Serves a directory over HTTP, and each directory in it as .zip and .tar.gz.

Usage: archive [DIRECTORY] [--listen ADDRESS]

Examples:
  archive                                  the current directory, local only
  archive ~/photos --listen 0.0.0.0:8000   for other machines too
  curl -O http://127.0.0.1:8080/?zip       downloads everything

Options:
  DIRECTORY           directory to serve (default: the current directory)
  --listen ADDRESS    HOST:PORT, where port 0 takes a free port and prints it
                      (default: 127.0.0.1:8080)
  --help              prints this text
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
