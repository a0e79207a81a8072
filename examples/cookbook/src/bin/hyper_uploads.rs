//! Parses uploads to hyper while they arrive, on the thread that receives them.
//!
//! `cargo run --release -p pushpull-cookbook --bin hyper_uploads`, and then `curl -T sun.tar.gz http://127.0.0.1:8093/`
//!
//! The server is a current-thread runtime, as there may be one per core. A parser runs on `Local`: inside the poll of
//! its connection's task, without a thread, a queue or a wake-up. If a parser reads bytes that have not arrived, it is
//! suspended and the task waits.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use pushpull::{Error, Local};
use pushpull_cookbook::parse::Kind;
use pushpull_cookbook::{ending, launch, refused};
use tokio::task::LocalSet;

const HELP: &str = "\
Parses uploads over HTTP while they arrive, with hyper on a single thread.

Usage: hyper_uploads [--listen ADDRESS]

Examples:
  curl -T sun.csv 'http://127.0.0.1:8093/'         rows, columns
  curl -T sun.tar.gz 'http://127.0.0.1:8093/'      files, bytes
  tar cf - . | curl -T - 'http://127.0.0.1:8093/source.tar'
  curl -T notes.gz 'http://127.0.0.1:8093/'        bytes, checksum

Options:
  --listen ADDRESS    HOST:PORT, where port 0 takes a free port and prints it
                      (default: 127.0.0.1:8093)
  --help              prints this text
";

fn main() -> ExitCode {
    launch::server("hyper_uploads", HELP, "127.0.0.1:8093", serve)
}

#[tokio::main(flavor = "current_thread")]
async fn serve(listener: TcpListener) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let accepting = async {
        loop {
            let (stream, _) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Probably no descriptors are left. Wait until others are closed.
                    eprintln!("cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::task::spawn_local(async move {
                // If a client disconnects, its parser reports that.
                let _ = connection.await;
            });
        }
    };
    LocalSet::new().run_until(accepting).await;
    Ok(())
}

async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let (status, text) = match (request.method(), request.uri().path().rsplit_once('/')) {
        (&Method::PUT, Some(("", name))) => upload(name.to_owned(), request.into_body()).await,
        _ => (StatusCode::NOT_FOUND, "there is only PUT /name\n".to_owned()),
    };
    let mut response = Response::new(text);
    *response.status_mut() = status;
    Ok(response)
}

async fn upload(name: String, mut body: Incoming) -> (StatusCode, String) {
    let Some(kind) = Kind::of(&name) else {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the name ends with .csv, .tar, .tar.gz or .gz\n".to_owned());
    };
    let parser = Local::new().push(ending::of_reading(name, move |r| kind.parse(r)));
    let report = parser.feed_from_body(&mut body).await;
    if report.is_err() {
        refused::drain(body);
    }
    match report {
        Ok(report) => match serde_json::to_string(&report) {
            Ok(text) => (StatusCode::OK, text + "\n"),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        // A panic is a fault of the parser: its message is not for the client.
        Err(error) if Error::of(&error).is_some_and(Error::is_panic) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "this could not be read\n".to_owned())
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}
