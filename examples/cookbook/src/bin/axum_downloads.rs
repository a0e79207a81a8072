//! Serves downloads with axum: seven encoders, each a body that is written while it is sent.
//!
//! `cargo run --release -p pushpull-cookbook --bin axum_downloads`, and then open http://127.0.0.1:8090/ or
//! `curl -O http://127.0.0.1:8090/sun.zip`
//!
//! axum requires `Send` bodies, so the programs run on a `Pool`. A client that does not read costs a stack and no
//! thread, and after a minute not even a stack. All downloads together hold 64 MiB plus a chunk each. A download that
//! ends within its first chunk has a `Content-Length`. A program that fails within it is answered with 500.

use std::io;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use pushpull::{Budget, Pool, Writer};
use pushpull_cookbook::menu::{self, Picture, Table};
use pushpull_cookbook::{encode, ending, launch};

const HELP: &str = "\
Serves downloads over HTTP, written while they are sent, with axum and a pool.

Usage: axum_downloads [--listen ADDRESS]

Examples:
  curl -O 'http://127.0.0.1:8090/sun.csv'         csv: a year, minute by minute
  curl -O 'http://127.0.0.1:8090/sun.json?days=7' serde_json: a week
  curl -O 'http://127.0.0.1:8090/sun.html?days=1' minijinja
  curl -O 'http://127.0.0.1:8090/sun.parquet?days=3650'
                                              arrow and parquet
  curl -O 'http://127.0.0.1:8090/sun.zip'         zip: a file per day
  curl -O 'http://127.0.0.1:8090/sun.tar.gz'      tar and flate2
  curl -O 'http://127.0.0.1:8090/mandelbrot.png?width=8000'
                                              png

Options:
  --listen ADDRESS    HOST:PORT, where port 0 takes a free port and prints it
                      (default: 127.0.0.1:8090)
  --help              prints this text
";

static DOWNLOADS: LazyLock<Pool> =
    LazyLock::new(|| Pool::global().clone().budget(&Budget::new(64 << 20)).stall_timeout(Duration::from_secs(60)));

fn main() -> ExitCode {
    launch::server("axum_downloads", HELP, "127.0.0.1:8090", serve)
}

#[tokio::main]
async fn serve(listener: TcpListener) -> io::Result<()> {
    let csv = |Query(Table { days })| download("sun.csv", "text/csv", move |w| encode::csv(days.get(), w));
    let json = |Query(Table { days })| download("sun.json", "application/json", move |w| encode::json(days.get(), w));
    let html = |Query(Table { days })| download("sun.html", "text/html", move |w| encode::html(days.get(), w));
    let parquet = |Query(Table { days })| {
        download("sun.parquet", "application/vnd.apache.parquet", move |w| encode::parquet(days.get(), w))
    };
    let zip = |Query(Table { days })| download("sun.zip", "application/zip", move |w| encode::zip(days.get(), w));
    let tar_gz =
        |Query(Table { days })| download("sun.tar.gz", "application/gzip", move |w| encode::tar_gz(days.get(), w));
    let png = |Query(Picture { width })| download("mandelbrot.png", "image/png", move |w| encode::png(width.get(), w));
    let app = Router::new()
        .route("/", get(async || Html(menu::PAGE)))
        .route("/sun.csv", get(csv))
        .route("/sun.json", get(json))
        .route("/sun.html", get(html))
        .route("/sun.parquet", get(parquet))
        .route("/sun.zip", get(zip))
        .route("/sun.tar.gz", get(tar_gz))
        .route("/mandelbrot.png", get(png));
    // Without this, a body that follows its head waits for the client's acknowledgement.
    let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, app).await
}

/// Returns the response of a program that writes, once its first chunk is known.
async fn download<P>(name: &'static str, media_type: &'static str, program: P) -> Response
where
    P: FnOnce(&mut Writer) -> io::Result<()> + Send + 'static,
{
    let mut chunks = DOWNLOADS.clone().name(name).pull(ending::of_writing(name, program));
    if chunks.head().await.is_err() {
        return (StatusCode::INTERNAL_SERVER_ERROR, "this could not be made\n").into_response();
    }
    let disposition = if media_type == "text/html" { "inline" } else { "attachment" };
    ([(CONTENT_TYPE, media_type), (CONTENT_DISPOSITION, disposition)], Body::new(chunks.into_body())).into_response()
}
