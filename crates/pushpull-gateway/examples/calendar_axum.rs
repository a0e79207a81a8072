//! A push app in axum: the calendar mounted in a router, beside axum's own handlers.
//!
//! `cargo run --release --example calendar_axum`, then open the printed address

#[path = "calendar/app.rs"]
mod app;

use std::io;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use pushpull::Thread;
use pushpull_gateway::{Mount, push_fn, service};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8082".to_owned());
    let mount = Mount::at("/calendar").map_err(io::Error::other)?;
    let calendar = service(Thread::new().name("calendar"), push_fn(app::calendar)).mount(mount);
    let router = Router::new()
        .route("/", get(|| async { Redirect::to("/calendar/") }))
        .route_service("/calendar/", calendar.clone())
        .route_service("/calendar/{*rest}", calendar);
    let listener = TcpListener::bind(&address).await?;
    println!("the calendar is at http://{}/", listener.local_addr()?);
    axum::serve(listener, router).await
}
