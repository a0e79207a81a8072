//! Sends a directory as a `.tar.gz` with reqwest, packed while it is sent: as a request's body, or as a file in a form.
//!
//! `cargo run --release -p pushpull-cookbook --bin send_archive -- . http://127.0.0.1:8092/source.tar.gz`, with
//! `cargo run --release -p pushpull-cookbook --bin axum_uploads` in another terminal
//!
//! The archive is never on disk or in memory as a whole. The encoder runs on a `Thread`, since it waits for files, and
//! its chunks are the body. If a file cannot be read, the request is aborted.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use flate2::Compression;
use flate2::write::GzEncoder;
use lexopt::{Arg, Parser, ValueExt};
use pushpull::{Chunks, Thread};
use pushpull_cookbook::{launch, memory};
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Client};

const HELP: &str = "\
Sends a directory over HTTP as a .tar.gz, packed while it is sent.

Usage: send_archive [--form] DIRECTORY URL

Examples (with axum_uploads in another terminal):
  send_archive . http://127.0.0.1:8092/source.tar.gz
  send_archive --form . http://127.0.0.1:8092/

Options:
  --form    sends field `file` of a form with POST (default: a body with PUT)
  --help    prints this text
";

struct Arguments {
    form: bool,
    directory: PathBuf,
    url: String,
}

fn main() -> ExitCode {
    launch::finish("send_archive", run())
}

fn run() -> Result<(), String> {
    match parse().map_err(|error| format!("{error}; try --help"))? {
        Some(arguments) => send(&arguments).map_err(|error| chain(&*error)),
        None => {
            print!("{HELP}");
            Ok(())
        }
    }
}

/// Parses the command line. Returns `None` for `--help`.
fn parse() -> Result<Option<Arguments>, lexopt::Error> {
    let (mut form, mut directory, mut url) = (false, None, None);
    let mut parser = Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            Arg::Long("form") => form = true,
            Arg::Value(value) if directory.is_none() => directory = Some(value.into()),
            Arg::Value(value) if url.is_none() => url = Some(value.string()?),
            other => return Err(other.unexpected()),
        }
    }
    let directory = directory.ok_or("missing directory: expected DIRECTORY URL")?;
    let url = url.ok_or("missing URL: expected DIRECTORY URL")?;
    Ok(Some(Arguments { form, directory, url }))
}

#[tokio::main(flavor = "current_thread")]
async fn send(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let body = Body::wrap_stream(archive(&arguments.directory));
    let request = if arguments.form {
        let file = Part::stream(body).file_name("archive.tar.gz").mime_str("application/gzip")?;
        Client::new().post(&arguments.url).multipart(Form::new().part("file", file))
    } else {
        Client::new().put(&arguments.url).body(body)
    };
    let response = request.send().await?;
    let (status, text) = (response.status(), response.text().await?);
    if !status.is_success() {
        return Err(format!("{status}: {}", text.trim_end()).into());
    }
    print!("{text}");
    eprintln!("peak memory: {} KiB", memory::peak()?);
    Ok(())
}

/// Packs the directory's files and directories. Links are packed as links.
fn archive(directory: &Path) -> Chunks {
    let directory = directory.to_owned();
    Thread::new().name("archive").pull(move |w| {
        let mut tar = tar::Builder::new(GzEncoder::new(w, Compression::fast()));
        tar.follow_symlinks(false);
        tar.append_dir_all("", &directory).map_err(|error| told(&error, &directory))?;
        tar.into_inner()?.finish().map(drop)
    })
}

fn told(error: &io::Error, directory: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("cannot pack {}: {error}", directory.display()))
}

/// Formats an error with all its sources: the error of the program is the last of several.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
