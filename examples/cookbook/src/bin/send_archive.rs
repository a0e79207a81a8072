//! Sends a directory as a `.tar.gz` that is made while it is sent, by reqwest: as a request's body, or as a file in a form.
//!
//! `cargo run --release -p pushpull-cookbook --bin send_archive -- . http://127.0.0.1:8092/source.tar.gz`, with
//! `cargo run --release -p pushpull-cookbook --bin axum_uploads` in another terminal
//!
//! There is no archive on disk or in memory. The encoder runs on a `Thread`, since it waits for files, and its chunks are
//! the body: what is not read is not packed. A file that cannot be read cuts the request, and does not end it.

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
Sends a directory over HTTP as a .tar.gz that is made while it is sent, and prints the answer.

Usage: send_archive [--form] DIRECTORY URL

  --form    as the field `file` of a form, by POST, and not as the body of a PUT
  --help    this text

Try, with axum_uploads in another terminal:
  send_archive . http://127.0.0.1:8092/source.tar.gz
  send_archive --form . http://127.0.0.1:8092/
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

/// Nothing where help is asked for.
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
    let directory = directory.ok_or("there is no directory")?;
    let url = url.ok_or("there is no address")?;
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
    eprintln!("the most memory that was used: {} KiB", memory::peak()?);
    Ok(())
}

/// The directory's files and directories, packed. Links are packed as links.
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

/// An error with what it came from: that the program failed is at the bottom of several.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
