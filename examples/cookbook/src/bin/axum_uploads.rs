//! Parses uploads to axum while they arrive, with libraries that only know `Read`.
//!
//! `cargo run --release -p pushpull-cookbook --bin axum_uploads`, and then
//! `curl -T sun.tar.gz http://127.0.0.1:8092/` or `curl -F file=@sun.csv http://127.0.0.1:8092/`
//!
//! The parser runs on a coroutine of a `Pool`, or on a `Thread` with `?engine=thread`. The handler awaits its value. An
//! upload that does not match its name is answered at once, not after it has arrived.

use std::io;
use std::net::TcpListener;
use std::process::ExitCode;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Multipart, Path, Query};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use pushpull::{Error, Feed, Pool, Reader, Thread};
use pushpull_cookbook::parse::{Kind, Report};
use pushpull_cookbook::{ending, launch, refused};
use serde::Deserialize;

const HELP: &str = "\
Parses uploads over HTTP while they arrive, with axum and a pool or threads.

Usage: axum_uploads [--listen ADDRESS]

Examples:
  curl -T sun.csv 'http://127.0.0.1:8092/'         rows, columns
  curl -T sun.tar.gz 'http://127.0.0.1:8092/?engine=thread'
  tar cf - . | curl -T - 'http://127.0.0.1:8092/source.tar'
  curl -T notes.gz 'http://127.0.0.1:8092/'        bytes, checksum
  curl -F 'file=@sun.csv' -F 'file=@notes.gz' 'http://127.0.0.1:8092/'

Options:
  --listen ADDRESS    HOST:PORT, where port 0 takes a free port and prints it
                      (default: 127.0.0.1:8092)
  --help              prints this text
";

#[derive(Deserialize)]
#[serde(default)]
struct Wanted {
    engine: Engine,
}

/// The engine of the parser.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Engine {
    Pool,
    Thread,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted { engine: Engine::Pool }
    }
}

impl Engine {
    fn push<P>(self, program: P) -> Feed<Report>
    where
        P: FnOnce(&mut Reader) -> io::Result<Report> + Send + 'static,
    {
        match self {
            Engine::Pool => Pool::global().push(program),
            Engine::Thread => Thread::new().push(program),
        }
    }
}

fn main() -> ExitCode {
    launch::server("axum_uploads", HELP, "127.0.0.1:8092", serve)
}

#[tokio::main]
async fn serve(listener: TcpListener) -> io::Result<()> {
    // No limit is needed: an upload of any size costs the same memory.
    let app = Router::new().route("/{name}", put(upload)).route("/", post(form).layer(DefaultBodyLimit::disable()));
    axum::serve(tokio::net::TcpListener::from_std(listener)?, app).await
}

async fn upload(
    Path(name): Path<String>,
    Query(Wanted { engine }): Query<Wanted>,
    mut body: Body,
) -> Result<Response, Refusal> {
    let kind = Kind::of(&name).ok_or(Refusal::Unknown)?;
    let parser = engine.push(ending::of_reading(name, move |r| kind.parse(r)));
    match parser.feed_from_body(&mut body).await {
        Ok(report) => Ok(json(&report)),
        Err(error) => {
            refused::drain(body);
            Err(error.into())
        }
    }
}

/// Parses each file of a form, one after the other.
async fn form(Query(Wanted { engine }): Query<Wanted>, mut form: Multipart) -> Result<Response, Refusal> {
    let mut reports = Vec::new();
    while let Some(field) = form.next_field().await.map_err(io::Error::other)? {
        let name = field.file_name().unwrap_or_default().to_owned();
        let kind = Kind::of(&name).ok_or(Refusal::Unknown)?;
        let parser = engine.push(ending::of_reading(name, move |r| kind.parse(r)));
        reports.push(parser.feed_from_stream(field).await?);
    }
    Ok(json(&reports))
}

fn json(found: &impl serde::Serialize) -> Response {
    match serde_json::to_string(found) {
        Ok(text) => ([(CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Err(error) => Refusal::Failed(error.into()).into_response(),
    }
}

enum Refusal {
    Unknown,
    Failed(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        Refusal::Failed(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::Unknown => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unknown format: expected a name that ends with .csv, .tar, .tar.gz or .gz\n".to_owned(),
            ),
            // A panic is a fault of the parser: its message is not for the client.
            Refusal::Failed(error) if Error::of(&error).is_some_and(Error::is_panic) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "the upload could not be parsed\n".to_owned())
            }
            Refusal::Failed(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
        }
        .into_response()
    }
}
