//! Serves downloads that are written while they are sent, with axum on tokio's multi-thread runtime.
//!
//! `cargo run --release --example downloads`, and then open http://127.0.0.1:8081/ or
//! `curl http://127.0.0.1:8081/readings.csv?rows=1000000 | tail -1`
//!
//! The `csv` and `zip` crates write into a `Writer` as they would into a file. Each download is a coroutine on a
//! `Pool`, so its body is `Send`, as axum requires. A client that does not read costs a stack and no thread.

mod arguments;
mod readings;
mod serve;

use std::net::TcpListener;
use std::process::ExitCode;

use arguments::{Arguments, Wish};
use pushpull::Pool;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("downloads: {message}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let Arguments { listen } = match arguments::parse().map_err(|error| format!("{error}; try --help"))? {
        Wish::Serve(arguments) => arguments,
        Wish::Help => {
            print!("{}", arguments::HELP);
            return Ok(());
        }
    };
    let listener = TcpListener::bind(&listen[..]).map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    println!("serving downloads at http://{address}/");
    serve::run(listener, Pool::global()).map_err(|error| error.to_string())
}
