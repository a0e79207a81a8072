//! A push app in hyper: the calendar runs on a coroutine inside the connection's own poll, and a processor compresses
//! it.
//!
//! `cargo run --release --example calendar_hyper`, then open the printed address

#[path = "calendar/app.rs"]
mod app;
#[path = "calendar/gzip.rs"]
mod gzip;

use std::io;

use gzip::Gzip;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use pushpull::Local;
use pushpull_gateway::{AsPull, push_fn, service};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8081".to_owned());
        let listener = TcpListener::bind(&address).await?;
        println!("the calendar is at http://{}/", listener.local_addr()?);
        // Neither the app nor its response need be `Send`: everything of a connection stays on this thread.
        let calendar = service(Local::new(), Gzip(AsPull(push_fn(app::calendar))));
        loop {
            let (stream, _) = listener.accept().await?;
            let service = TowerToHyperService::new(calendar.clone());
            tokio::task::spawn_local(async move {
                let connection =
                    http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
                if let Err(error) = connection.await {
                    eprintln!("a connection ended early: {error}");
                }
            });
        }
    })
}
