//! Downloads from actix-web: seven libraries that write, each a stream that is pulled while it is sent.
//!
//! `cargo run --release -p pushpull-cookbook --bin actix_downloads`, and then open http://127.0.0.1:8091/ or
//! `curl -O http://127.0.0.1:8091/sun.zip`
//!
//! actix-web keeps a request on one thread and asks for no `Send`, so the programs run on `Local`: inside the poll of the
//! body, with no thread, no queue and no wake-up. Only parquet wants a `Send` writer, and has it from a `Pool`.

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
Serves downloads over HTTP that are made while they are sent, on actix-web and coroutines of its own threads.

Usage: actix_downloads [--listen ADDRESS]

  --listen ADDRESS    where (127.0.0.1:8091); port 0 takes a free one and prints it
  --help              this text

Try:
  curl -O 'http://127.0.0.1:8091/sun.csv'                     by csv; a year, minute by minute
  curl -O 'http://127.0.0.1:8091/sun.json?days=7'             by serde_json; a week
  curl -O 'http://127.0.0.1:8091/sun.html?days=1'             by minijinja
  curl -O 'http://127.0.0.1:8091/sun.parquet?days=3650'       by arrow and parquet
  curl -O 'http://127.0.0.1:8091/sun.zip'                     by zip; a file for each day
  curl -O 'http://127.0.0.1:8091/sun.tar.gz'                  by tar and flate2
  curl -O 'http://127.0.0.1:8091/mandelbrot.png?width=8000'   by png
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

/// `ArrowWriter` asks for a `W: Send`. The writer of a `Pool` is, and its chunks are a stream like those of `Local`.
async fn parquet(Query(Table { days }): Query<Table>) -> HttpResponse {
    let name = "sun.parquet";
    let program = move |w: &mut pushpull::Writer| encode::parquet(days.get(), w);
    let chunks = Pool::global().clone().name(name).pull(ending::of_writing(name, program));
    respond("application/vnd.apache.parquet", chunks)
}

/// The response of a program that writes. It starts when actix asks for the first chunk.
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
