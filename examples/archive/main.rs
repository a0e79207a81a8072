//! Serves a directory: a page that lists it, its files, and every directory as `.zip` and `.tar.gz`, made while it is
//! downloaded.
//!
//! `cargo run --release --example archive`
//!
//! The encoders are the `zip`, `tar` and `flate2` crates as they are: they write into a `Writer`. Each runs on a
//! coroutine inside hyper's `poll_frame`, so that a download costs a stack and no thread, and one whose client does not
//! read stands still.

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
    println!("{shown} is at http://{address}/");
    serve::run(&listener, &tree, &Downloads::start()).map_err(|error| error.to_string())
}
