//! Push-to-pull bridges as a program. Each subcommand has a file and a directory of its own.

mod bench;
mod log;
mod serve;

use std::io::Write;
use std::process::ExitCode;

use lexopt::{Arg, Parser};

const HELP: &str = "\
Runs programs that push behind servers that pull, and measures the bridges in between.

Usage: pushpull COMMAND [OPTIONS] ...

Commands:
  bench      measures bridges on this machine, and says which to take
  serve      serves a CGI program, or a FastCGI application, over HTTP, FastCGI or SCGI

  --help     this text; `pushpull COMMAND --help` tells more about a command
  --version  which version this is

Examples:
  pushpull serve -- ./hello.cgi
  pushpull bench --html report.html
  pushpull serve --help
";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(message) => {
            eprintln!("pushpull: {message}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let mut parser = Parser::from_env();
    match parser.next().map_err(unclear)? {
        Some(Arg::Long("help") | Arg::Short('h')) => say(HELP),
        Some(Arg::Long("version") | Arg::Short('V')) => say(concat!("pushpull ", env!("CARGO_PKG_VERSION"), "\n")),
        Some(Arg::Value(command)) => match command.to_str() {
            Some("bench") => return bench::run(parser),
            Some("serve") => return serve::run(parser),
            _ => return Err(format!("there is no command {command:?}; try --help")),
        },
        Some(other) => return Err(unclear(other.unexpected())),
        None => return Err("which command? Try --help".to_owned()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes to standard output. Nobody may be reading it, which is no reason to stop.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn unclear(error: lexopt::Error) -> String {
    format!("{error}; try --help")
}
