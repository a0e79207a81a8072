//! A gzip encoder as a tower layer around an axum router: code that reads and writes.
//!
//! `cargo run --release -p pushpull-cookbook --bin gzip_layer`, and then
//! `curl --compressed http://127.0.0.1:8094/sun.csv | tail -1`
//!
//! `flate2`'s encoder knows nothing of bodies: it copies from a `Read` to a `Write`. Its input is also written while it
//! is sent, so one program of the pool waits for another. Neither holds a thread.

#[path = "../../../../crates/pushpull-gateway/examples/calendar/coding.rs"]
mod coding;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, VARY,
};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use pushpull::{Pool, Reader, Writer};
use pushpull_cookbook::menu::{Picture, Table};
use pushpull_cookbook::{encode, ending, launch};
use tower_layer::Layer;
use tower_service::Service;

const HELP: &str = "\
Serves a table and a picture over HTTP, compressed by a layer.

Usage: gzip_layer [--listen ADDRESS]

Examples:
  curl --compressed 'http://127.0.0.1:8094/sun.csv'       compressed
  curl -H 'Accept-Encoding: gzip' 'http://127.0.0.1:8094/sun.csv' | gzip -d
  curl 'http://127.0.0.1:8094/sun.html?days=1'            unchanged
  curl --compressed -O 'http://127.0.0.1:8094/mandelbrot.png'
                                                    compressed already

Options:
  --listen ADDRESS    HOST:PORT, where port 0 takes a free port and prints it
                      (default: 127.0.0.1:8094)
  --help              prints this text
";

fn main() -> ExitCode {
    launch::server("gzip_layer", HELP, "127.0.0.1:8094", serve)
}

#[tokio::main]
async fn serve(listener: TcpListener) -> io::Result<()> {
    let csv = async |Query(Table { days })| made("text/csv", move |w| encode::csv(days.get(), w));
    let html = async |Query(Table { days })| made("text/html", move |w| encode::html(days.get(), w));
    let png = async |Query(Picture { width })| made("image/png", move |w| encode::png(width.get(), w));
    let app = Router::new()
        .route("/sun.csv", get(csv))
        .route("/sun.html", get(html))
        .route("/mandelbrot.png", get(png))
        .layer(Gzip(Pool::global()));
    axum::serve(tokio::net::TcpListener::from_std(listener)?, app).await
}

fn made<P>(media_type: &'static str, program: P) -> impl IntoResponse + use<P>
where
    P: FnOnce(&mut Writer) -> io::Result<()> + Send + 'static,
{
    let chunks = Pool::global().pull(ending::of_writing(media_type, program));
    ([(CONTENT_TYPE, media_type)], Body::new(chunks.into_body()))
}

/// A layer that compresses the bodies of its service.
#[derive(Clone)]
struct Gzip(&'static Pool);

#[derive(Clone)]
struct Packed<S> {
    inner: S,
    pool: &'static Pool,
}

impl<S> Layer<S> for Gzip {
    type Service = Packed<S>;

    fn layer(&self, inner: S) -> Packed<S> {
        Packed { inner, pool: self.0 }
    }
}

impl<S> Service<Request> for Packed<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let wanted = coding::accepts_gzip(request.headers());
        let (response, pool) = (self.inner.call(request), self.pool);
        Box::pin(async move {
            let mut response = response.await?;
            response.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
            Ok(if wanted && is_worth_it(&response) { pack(response, pool) } else { response })
        })
    }
}

/// Returns `true` unless the body is compressed already, a part of a file, or a stream of events that must not wait.
fn is_worth_it(response: &Response) -> bool {
    let fields = response.headers();
    let kind = fields.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let packed = ["image/", "audio/", "video/", "application/zip", "application/gzip", "text/event-stream"];
    !packed.iter().any(|packed| kind.starts_with(packed))
        && !fields.contains_key(CONTENT_ENCODING)
        && !fields.contains_key(CONTENT_RANGE)
}

/// Returns the response with its body passed through the filter.
fn pack(response: Response, pool: &Pool) -> Response {
    let (mut head, body) = response.into_parts();
    // These fields describe the uncompressed body.
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(ACCEPT_RANGES);
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    let filter = pool.filter(gzip);
    Response::from_parts(head, Body::new(filter.pull_from_body(body).into_body()))
}

/// Compresses what it reads. An error of the reader is passed on, so the output does not end like a shorter body.
fn gzip(r: &mut Reader, w: &mut Writer) -> io::Result<()> {
    let mut gzip = GzEncoder::new(w, Compression::fast());
    io::copy(r, &mut gzip)?;
    gzip.finish().map(drop)
}
