//! The program `pushpull`, as a function of its command line. Each subcommand has a file and a directory.
//!
//! The program itself and the fuzz target of its configuration file call it. To serve or measure in a program of your own,
//! use `pushpull-gateway` or `pushpull-bench`.

#[cfg(not(unix))]
compile_error!(
    "the program `pushpull` runs on Unix only: it serves external programs; the library works on this system"
);

#[cfg(unix)]
mod bench;
#[cfg(unix)]
mod described;
#[cfg(unix)]
mod log;
#[cfg(unix)]
mod serve;

use std::ffi::OsString;
use std::fmt::Debug;
use std::io::Write;
use std::process::ExitCode;

use lexopt::{Arg, Parser};

const HELP: &str = "\
Serves files, CGI and FastCGI programs, and measures push-to-pull bridges.

Usage: pushpull COMMAND [OPTIONS] ...

Examples:
  pushpull serve
  pushpull serve -- ./hello.cgi
  pushpull bench --html report.html
  pushpull serve --help

Commands:
  bench        measures bridges on this machine and recommends an engine
  serve        serves files, CGI programs or a FastCGI application over HTTP,
               FastCGI or SCGI
  help         prints the text of a command, or with --man the man page
  completions  prints completions for bash, zsh or fish

Options:
  --help     prints this text; `pushpull COMMAND --help` describes a command
  --version  prints the version
";

/// Runs the program with these arguments, of which the first is the command.
///
/// # Errors
///
/// Returns a message for the user if the arguments cannot be carried out. The program then exits with status 2.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<ExitCode, String> {
    let mut parser = Parser::from_args(arguments);
    match parser.next().map_err(unclear)? {
        Some(Arg::Long("help") | Arg::Short('h')) => say(HELP),
        Some(Arg::Long("version") | Arg::Short('V')) => say(concat!("pushpull ", env!("CARGO_PKG_VERSION"), "\n")),
        Some(Arg::Value(command)) => match command.to_str() {
            #[cfg(unix)]
            Some("bench") => return bench::run(parser),
            #[cfg(unix)]
            Some("serve") => return serve::run(parser),
            #[cfg(unix)]
            Some("help") => return described::help(parser, HELP),
            #[cfg(unix)]
            Some("completions") => return described::completions(parser),
            _ => {
                return Err(format!(
                    "unknown command {command:?}: expected bench, serve, help or completions; try --help"
                ));
            }
        },
        Some(other) => return Err(unclear(other.unexpected())),
        None => return Err("missing command: expected bench or serve; try --help".to_owned()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes to standard output. A closed standard output is not an error.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn unclear(error: lexopt::Error) -> String {
    match error {
        lexopt::Error::UnexpectedOption(option) => format!("unknown option {option}; try --help"),
        lexopt::Error::UnexpectedValue { option, value } => {
            format!("unexpected value {value:?} for {option}: expected none; try --help")
        }
        other => format!("{other}; try --help"),
    }
}

/// Returns the message for an option that has no value.
fn missing(name: &str, expected: &str) -> String {
    format!("missing value for --{name}: expected {expected}")
}

/// Returns the message for an option that has a wrong value.
fn invalid(name: &str, value: impl Debug, expected: &str) -> String {
    format!("invalid value {value:?} for --{name}: expected {expected}")
}
