//! The command line of a server: its address, and help.

use std::io;
use std::net::TcpListener;
use std::process::ExitCode;

use lexopt::{Arg, Parser, ValueExt};

/// Runs a server until the process is stopped: parses the command line, opens the port, and prints the address.
/// An error is printed as one line on standard error, and the exit code is 2.
pub fn server(name: &str, help: &str, listen: &str, serve: impl FnOnce(TcpListener) -> io::Result<()>) -> ExitCode {
    finish(name, run(name, help, listen, serve))
}

/// Ends a program. An error is printed as one line on standard error, and the exit code is 2.
pub fn finish(name: &str, ended: Result<(), String>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{name}: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(name: &str, help: &str, listen: &str, serve: impl FnOnce(TcpListener) -> io::Result<()>) -> Result<(), String> {
    let Some(listen) = parse(help, listen).map_err(|error| format!("{error}; try --help"))? else { return Ok(()) };
    let listener = TcpListener::bind(&listen[..]).map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    listener.set_nonblocking(true).map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    println!("serving {name} at http://{address}/");
    serve(listener).map_err(|error| error.to_string())
}

/// Parses the command line. Returns the address to listen on, or `None` after help.
fn parse(help: &str, listen: &str) -> Result<Option<String>, lexopt::Error> {
    let mut listen = listen.to_owned();
    let mut parser = Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => {
                print!("{help}");
                return Ok(None);
            }
            Arg::Long("listen") => listen = parser.value()?.string()?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(listen))
}
