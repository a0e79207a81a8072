//! Short responses stay short with common servers: the server waits for the first chunk or the end, and the length of
//! the body is known.

use std::io::{self, Write};

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use pushpull::{Chunks, Local, Pool, Thread, local};
use pushpull_testing::watchdog::within;
use tokio::io::duplex;

type Program = fn(&mut dyn Write) -> io::Result<()>;
type Pull = fn(Program) -> Chunks;

/// The engines whose chunks are `Send`.
const ENGINES: [Pull; 3] = [
    |program| Thread::new().pull(move |w| program(w)),
    |program| Pool::new(1).pull(move |w| program(w)),
    |program| Pool::global().pull(move |w| program(w)),
];

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn short(w: &mut dyn Write) -> io::Result<()> {
    // Small writes without a flush: one chunk at the end.
    "hello".bytes().try_for_each(|byte| w.write_all(&[byte]))
}

fn long(w: &mut dyn Write) -> io::Result<()> {
    w.write_all(&[7; 1 << 20])
}

fn failed(_: &mut dyn Write) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::NotFound, "no such page"))
}

/// Sends one request and returns the whole response.
async fn ask(connection: impl AsyncFnOnce(TokioIo<tokio::io::DuplexStream>)) -> String {
    // Imported here only: a `Writer` has the methods of both traits.
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let (mut client, server) = duplex(1 << 16);
    let asking = async {
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer.to_ascii_lowercase()
    };
    tokio::join!(asking, connection(TokioIo::new(server))).0
}

/// Checks each kind of response of a server that serves what a program writes.
async fn check(ask: impl AsyncFn(Program) -> String) {
    let answer = ask(short).await;
    assert!(answer.starts_with("http/1.1 200") && answer.contains("content-length: 5\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    let answer = ask(failed).await;
    assert!(answer.starts_with("http/1.1 500") && answer.ends_with("no such page"), "{answer}");
    let answer = ask(long).await;
    assert!(answer.contains("transfer-encoding: chunked"), "{}", &answer[..100]);
}

async fn answer(mut chunks: Chunks) -> Response {
    match chunks.head().await {
        Ok(()) => Body::new(chunks.into_body()).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn answer_local(mut chunks: local::Chunks) -> http::Response<http_body_util::Either<local::Body, String>> {
    let head = chunks.head().await;
    let (status, body) = match head {
        Ok(()) => (200, http_body_util::Either::Left(chunks.into_body())),
        Err(error) => (500, http_body_util::Either::Right(error.to_string())),
    };
    http::Response::builder().status(status).body(body).unwrap()
}

#[test]
fn through_axum_a_short_answer_has_a_content_length_and_a_failure_is_a_500() {
    within(|| {
        for engine in ENGINES {
            block_on(async {
                let ask = async |program: Program| {
                    let app = Router::new().route("/", get(move || answer(engine(program))));
                    ask(async |io| {
                        let service = TowerToHyperService::new(app);
                        hyper::server::conn::http1::Builder::new().serve_connection(io, service).await.unwrap();
                    })
                    .await
                };
                check(ask).await;
            });
        }
    });
}

#[test]
fn through_hyper_on_local_a_short_answer_has_a_content_length_and_a_failure_is_a_500() {
    within(|| {
        block_on(async {
            let ask = async |program: Program| {
                ask(async |io| {
                    let service = hyper::service::service_fn(async |_: http::Request<Incoming>| {
                        io::Result::Ok(answer_local(Local::new().pull(move |w| program(w))).await)
                    });
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service).await.unwrap();
                })
                .await
            };
            check(ask).await;
        });
    });
}
