//! The program `pushpull`.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    match pushpull_cli::run(env::args_os().skip(1)) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("pushpull: {message}");
            ExitCode::from(2)
        }
    }
}
