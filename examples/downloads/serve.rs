//! The HTTP server.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Query;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::serve::ListenerExt;
use pushpull::{Pool, Writer};
use serde::Deserialize;

use super::readings::{write_csv, write_zip};

/// The time that downloads may take to finish when the server is stopped.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
#[serde(default)]
struct Wanted {
    rows: u64,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted { rows: 1_000_000 }
    }
}

/// Serves until an interrupt.
pub fn run(listener: TcpListener, pool: &'static Pool) -> io::Result<()> {
    let csv = pool.clone().name("readings.csv");
    let zip = pool.clone().name("readings.zip");
    let app = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route(
            "/readings.csv",
            get(async move |Query(Wanted { rows })| download(&csv, "text/csv", move |w| write_csv(rows, w))),
        )
        .route(
            "/readings.zip",
            get(async move |Query(Wanted { rows })| download(&zip, "application/zip", move |w| write_zip(rows, w))),
        );
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // Without this, a body that follows its head waits for the client's acknowledgement.
        let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| drop(stream.set_nodelay(true)));
        tokio::select! {
            served = axum::serve(listener, app).into_future() => served,
            interrupted = tokio::signal::ctrl_c() => interrupted,
        }
    })?;
    let _ = pool.shutdown(PATIENCE).wait();
    Ok(())
}

/// Returns the response of a program that writes. The program starts when axum requests the first byte of the body.
fn download<P>(pool: &Pool, media_type: &'static str, program: P) -> impl IntoResponse + use<P>
where
    P: FnOnce(&mut Writer) -> io::Result<()> + Send + 'static,
{
    let body = Body::new(pool.pull(program).into_body());
    ([(CONTENT_TYPE, media_type), (CONTENT_DISPOSITION, "attachment")], body)
}

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Readings</title>
<h1>Readings</h1>
<p>Written while they are sent: <a href=/readings.csv>readings.csv</a>, <a href=/readings.zip>readings.zip</a>,
and with <a href='/readings.csv?rows=10'>ten rows</a> only.
";
