//! Uploads to axum, parsed while they arrive by libraries that only know `Read`.
//!
//! `cargo run --release -p pushpull-cookbook --bin axum_uploads`, and then
//! `curl -T sun.tar.gz http://127.0.0.1:8092/` or `curl -F file=@sun.csv http://127.0.0.1:8092/`
//!
//! The parser runs on a coroutine of a `Pool`, or on a `Thread` if asked, and the handler waits for its value as for any
//! future. An upload that is not what its name says is answered at once, and not when it has arrived.

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
Takes uploads over HTTP and parses them while they arrive, on axum and a pool of coroutines or threads.

Usage: axum_uploads [--listen ADDRESS]

  --listen ADDRESS    where (127.0.0.1:8092); port 0 takes a free one and prints it
  --help              this text

Try:
  curl -T sun.csv 'http://127.0.0.1:8092/'                      csv::Reader: rows, and the range of each column
  curl -T sun.tar.gz 'http://127.0.0.1:8092/?engine=thread'     GzDecoder, tar::Archive: files, bytes, checksum
  tar cf - . | curl -T - 'http://127.0.0.1:8092/source.tar'     tar::Archive, from a pipe
  curl -T notes.gz 'http://127.0.0.1:8092/'                     GzDecoder: bytes, checksum
  curl -F 'file=@sun.csv' -F 'file=@notes.gz' 'http://127.0.0.1:8092/'    a form
";

#[derive(Deserialize)]
#[serde(default)]
struct Wanted {
    engine: Engine,
}

/// Where the parser runs.
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
    // There is nothing to limit: an upload costs the same memory, however large it is.
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

/// Each file of a form, one after the other.
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
            Refusal::Unknown => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the name ends with .csv, .tar, .tar.gz or .gz\n".to_owned())
            }
            // The parser's own fault, and nothing that it says is the client's business.
            Refusal::Failed(error) if Error::of(&error).is_some_and(Error::is_panic) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "this could not be read\n".to_owned())
            }
            Refusal::Failed(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
        }
        .into_response()
    }
}
