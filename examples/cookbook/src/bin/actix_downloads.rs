//! Serves downloads with actix-web: seven encoders, each a stream that is pulled while it is sent.
//!
//! `cargo run --release -p pushpull-cookbook --bin actix_downloads`, and then open http://127.0.0.1:8091/ or
//! `curl -O http://127.0.0.1:8091/sun.zip`
//!
//! actix-web keeps a request on one thread and does not require `Send`, so the programs run on `Local`: inside the poll
//! of the body, without a thread, a queue or a wake-up. Only parquet requires a `Send` writer, and runs on a `Pool`.

use std::io;
use std::net::TcpListener;
use std::process::ExitCode;

use actix_web::http::header::{CONTENT_DISPOSITION, ContentType};
use actix_web::web::{self, Bytes, Query};
use actix_web::{App, HttpResponse, HttpServer};
use futures_util::Stream;
use pushpull::{Local, Pool, local};
use pushpull_cookbook::menu::{self, Picture, Table};
use pushpull_cookbook::{encode, ending, launch};

const HELP: &str = "\
Serves downloads over HTTP, written while they are sent, with actix-web.

Usage: actix_downloads [--listen ADDRESS]

Examples:
  curl -O 'http://127.0.0.1:8091/sun.csv'         csv: a year, minute by minute
  curl -O 'http://127.0.0.1:8091/sun.json?days=7' serde_json: a week
  curl -O 'http://127.0.0.1:8091/sun.html?days=1' minijinja
  curl -O 'http://127.0.0.1:8091/sun.parquet?days=3650'
                                              arrow and parquet
  curl -O 'http://127.0.0.1:8091/sun.zip'         zip: a file per day
  curl -O 'http://127.0.0.1:8091/sun.tar.gz'      tar and flate2
  curl -O 'http://127.0.0.1:8091/mandelbrot.png?width=8000'
                                              png

Options:
  --listen ADDRESS    HOST:PORT, where port 0 takes a free port and prints it
                      (default: 127.0.0.1:8091)
  --help              prints this text
";

fn main() -> ExitCode {
    launch::server("actix_downloads", HELP, "127.0.0.1:8091", serve)
}

fn serve(listener: TcpListener) -> io::Result<()> {
    let app = || {
        App::new()
            .route("/", web::get().to(async || HttpResponse::Ok().content_type(ContentType::html()).body(menu::PAGE)))
            .route("/sun.csv", web::get().to(csv))
            .route("/sun.json", web::get().to(json))
            .route("/sun.html", web::get().to(html))
            .route("/sun.parquet", web::get().to(parquet))
            .route("/sun.zip", web::get().to(zip))
            .route("/sun.tar.gz", web::get().to(tar_gz))
            .route("/mandelbrot.png", web::get().to(png))
    };
    actix_web::rt::System::new().block_on(HttpServer::new(app).listen(listener)?.run())
}

async fn csv(Query(Table { days }): Query<Table>) -> HttpResponse {
    download("sun.csv", "text/csv", move |w| encode::csv(days.get(), w))
}

async fn json(Query(Table { days }): Query<Table>) -> HttpResponse {
    download("sun.json", "application/json", move |w| encode::json(days.get(), w))
}

async fn html(Query(Table { days }): Query<Table>) -> HttpResponse {
    download("sun.html", "text/html", move |w| encode::html(days.get(), w))
}

async fn zip(Query(Table { days }): Query<Table>) -> HttpResponse {
    download("sun.zip", "application/zip", move |w| encode::zip(days.get(), w))
}

async fn tar_gz(Query(Table { days }): Query<Table>) -> HttpResponse {
    download("sun.tar.gz", "application/gzip", move |w| encode::tar_gz(days.get(), w))
}

async fn png(Query(Picture { width }): Query<Picture>) -> HttpResponse {
    download("mandelbrot.png", "image/png", move |w| encode::png(width.get(), w))
}

/// Returns the parquet download. `ArrowWriter` requires `W: Send`, so its program runs on a `Pool`.
async fn parquet(Query(Table { days }): Query<Table>) -> HttpResponse {
    let name = "sun.parquet";
    let program = move |w: &mut pushpull::Writer| encode::parquet(days.get(), w);
    let chunks = Pool::global().clone().name(name).pull(ending::of_writing(name, program));
    respond("application/vnd.apache.parquet", chunks)
}

/// Returns the response of a program that writes. The program starts when actix requests the first chunk.
fn download<P>(name: &'static str, media_type: &'static str, program: P) -> HttpResponse
where
    P: FnOnce(&mut local::Writer) -> io::Result<()> + 'static,
{
    respond(media_type, Local::new().name(name).pull(ending::of_writing(name, program)))
}

fn respond(media_type: &'static str, chunks: impl Stream<Item = io::Result<Bytes>> + 'static) -> HttpResponse {
    let disposition = if media_type == "text/html" { "inline" } else { "attachment" };
    HttpResponse::Ok().content_type(media_type).insert_header((CONTENT_DISPOSITION, disposition)).streaming(chunks)
}
