//! A download that fails in the middle is visibly truncated, with axum and actix-web.

use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::thread;

use actix_web::{App, HttpResponse, HttpServer, web};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use pushpull::{Local, Pool};
use pushpull_testing::needed::there;

/// The bytes before the failure.
const LEN: usize = 300_000;

/// Returns a program that ends as its URL says.
fn write(how: &str, w: &mut impl Write) -> io::Result<()> {
    w.write_all(&[b'x'; LEN])?;
    match how {
        "well" => Ok(()),
        "error" => Err(io::Error::other("disk failure")),
        _ => panic!("the disk is on fire"),
    }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn axum() -> SocketAddr {
    let (listener, address) = listen();
    thread::spawn(move || {
        let made = |how| async move { Body::new(Pool::global().pull(move |w| write(how, w)).into_body()) };
        let app = Router::new()
            .route("/well", get(move || made("well")))
            .route("/error", get(move || made("error")))
            .route("/panic", get(move || made("panic")));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await })
    });
    address
}

fn actix() -> SocketAddr {
    let (listener, address) = listen();
    thread::spawn(move || {
        let app = || {
            App::new().route(
                "/{how}",
                web::get().to(async |how: web::Path<String>| {
                    HttpResponse::Ok().streaming(Local::new().pull(move |w| write(&how, w)))
                }),
            )
        };
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap();
        actix_web::rt::System::new().block_on(server.run())
    });
    address
}

#[test]
fn law_2_a_download_that_fails_does_not_look_whole() {
    if !there(&["curl"]) {
        return;
    }
    for (server, address) in [("axum", axum()), ("actix", actix())] {
        for (how, code) in [("well", 0), ("error", 18), ("panic", 18)] {
            let file = tempfile::NamedTempFile::new().unwrap();
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--max-time", "60", "--output"]).arg(file.path());
            let status = curl.arg(format!("http://{address}/{how}")).status().unwrap();
            // 18: the transfer ended early.
            assert_eq!(status.code(), Some(code), "{server}, {how}");
            assert_eq!(fs::metadata(file.path()).unwrap().len(), LEN as u64, "{server}, {how}");
        }
    }
}
