//! Push-to-pull bridges as a program. Each subcommand has a file and a directory of its own.

mod log;
mod serve;

use std::process::ExitCode;

use lexopt::{Arg, Parser};

const HELP: &str = "\
Runs programs that push behind servers that pull.

Usage: pushpull COMMAND [OPTIONS] ...

Commands:
  serve      serves a CGI program over HTTP

  --help     this text; `pushpull COMMAND --help` tells more about a command
  --version  which version this is

Examples:
  pushpull serve -- ./hello.cgi
  pushpull serve --help
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("pushpull: {message}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let mut parser = Parser::from_env();
    match parser.next().map_err(unclear)? {
        Some(Arg::Long("help") | Arg::Short('h')) => print!("{HELP}"),
        Some(Arg::Long("version") | Arg::Short('V')) => println!("pushpull {}", env!("CARGO_PKG_VERSION")),
        Some(Arg::Value(command)) => match command.to_str() {
            Some("serve") => return serve::run(parser),
            _ => return Err(format!("there is no command {command:?}; try --help")),
        },
        Some(other) => return Err(unclear(other.unexpected())),
        None => return Err("which command? Try --help".to_owned()),
    }
    Ok(())
}

fn unclear(error: lexopt::Error) -> String {
    format!("{error}; try --help")
}
