//! Serves a directory: a listing, its files, and every directory as `.zip` and `.tar.gz`, packed during the download.
//!
//! `cargo run --release --example archive`
//!
//! The unmodified `zip`, `tar` and `flate2` crates write into a `Writer`. Each download runs on a coroutine inside
//! hyper's
//! `poll_frame`, so it costs a stack and no thread. If its client does not read, the download is suspended.

mod arguments;
mod encode;
mod page;
mod progress;
mod reply;
mod serve;
mod tree;

use std::net::TcpListener;
use std::process::ExitCode;

use arguments::{Arguments, Wish};
use progress::Downloads;
use tree::Tree;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("archive: {message}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let Arguments { directory, listen } = match arguments::parse().map_err(|error| format!("{error}; try --help"))? {
        Wish::Serve(arguments) => arguments,
        Wish::Help => {
            print!("{}", arguments::HELP);
            return Ok(());
        }
    };
    let shown = directory.display();
    let tree = Tree::open(&directory).map_err(|error| format!("cannot open the directory {shown}: {error}"))?;
    let listener = TcpListener::bind(&listen[..]).map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    println!("serving {shown} at http://{address}/");
    serve::run(&listener, &tree, &Downloads::start()).map_err(|error| error.to_string())
}
