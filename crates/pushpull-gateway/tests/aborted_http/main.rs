//! A client that disconnects in any state leaves nothing behind: no program, thread, stack, descriptor or byte. Tested
//! over real connections: axum on `Pool` and `Thread`, hyper on `Local`.
//!
//! `EXCHANGES=100000 cargo test --test aborted_http` runs longer.

use std::convert::Infallible;
use std::env;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::Response;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use pushpull::{Local, Pool, Thread, pipe};
use pushpull_testing::counted::Counted;
use pushpull_testing::watchdog::within;

/// The states in which the client disconnects.
const STATES: [&str; 5] = ["head", "flow", "pause", "upload", "both"];

/// What every program holds while it runs.
#[derive(Clone)]
struct Held {
    count: Arc<()>,
    /// Receives a message when the program reaches the state.
    reached: Sender<()>,
}

/// Blocks until the program is stopped.
fn wait() -> io::Result<()> {
    let (_writer, mut never) = pipe(1);
    never.next().unwrap().map(drop)
}

/// Writes as the state says, until the client disconnects.
fn write(held: &Held, state: &str, w: &mut impl Write) -> io::Result<()> {
    if state == "head" {
        held.reached.send(()).unwrap();
        return wait();
    }
    w.write_all(&[7; 5000])?;
    w.flush()?;
    held.reached.send(()).unwrap();
    if state == "pause" {
        return wait();
    }
    loop {
        w.write_all(&[7; 5000])?;
    }
}

/// Reads the request, which never arrives completely.
fn read(held: &Held, r: &mut impl Read) -> io::Result<u64> {
    r.read_exact(&mut [0; 100])?;
    held.reached.send(()).unwrap();
    io::copy(r, &mut io::sink())
}

/// Echoes part of the request before it has read all of it.
fn both(held: &Held, r: &mut impl Read, w: &mut impl Write) -> io::Result<()> {
    w.write_all(&read(held, r)?.to_ne_bytes())
}

macro_rules! answer {
    ($engine:expr, $held:expr, $request:expr) => {{
        let held: Held = $held;
        let (head, body) = $request.into_parts();
        let state = head.uri.path().rsplit('/').next().unwrap().to_owned();
        match &*state {
            "upload" => {
                let read = $engine.push(move |r| read(&held, r)).feed_from_body(body).await;
                assert!(read.is_err(), "a truncated upload looked complete");
                Response::new($engine.pull(|_| Ok(())).into_body())
            }
            "both" => Response::new($engine.filter(move |r, w| both(&held, r, w)).pull_from_body(body).into_body()),
            _ => {
                let mut chunks = $engine.pull(move |w| write(&held, &state, w));
                chunks.head().await.expect("a head, or a client that disconnects before it");
                Response::new(chunks.into_body())
            }
        }
    }};
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn axum(held: Held) -> SocketAddr {
    let (listener, address) = listen();
    let pool = Pool::new(2);
    let (on_pool, on_thread) = (held.clone(), held);
    let app = Router::new()
        .route(
            "/pool/{state}",
            axum::routing::any(async move |request: Request| answer!(pool, on_pool.clone(), request).map(Body::new)),
        )
        .route(
            "/thread/{state}",
            axum::routing::any(async move |request: Request| {
                answer!(Thread::new(), on_thread.clone(), request).map(Body::new)
            }),
        );
    thread::spawn(|| {
        runtime().block_on(async { axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await })
    });
    address
}

fn hyper(held: Held) -> SocketAddr {
    let (listener, address) = listen();
    thread::spawn(|| {
        let accepting = async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let stream = TokioIo::new(listener.accept().await.unwrap().0);
                let held = held.clone();
                let answer = service_fn(move |request| {
                    let held = held.clone();
                    async move { Ok::<_, Infallible>(answer!(Local::new(), held, request)) }
                });
                let connection = hyper::server::conn::http1::Builder::new().serve_connection(stream, answer);
                // An error here is the disconnect that this test causes.
                tokio::task::spawn_local(async move { connection.await.map_or((), drop) });
            }
        };
        tokio::task::LocalSet::new().block_on(&runtime(), accepting);
    });
    address
}

/// Brings an exchange to the state, then disconnects.
fn exchange(address: SocketAddr, engine: &str, state: &str, reached: &Receiver<()>) {
    let mut client = TcpStream::connect(address).unwrap();
    let upload = matches!(state, "upload" | "both");
    let (method, length) = if upload { ("PUT", "Content-Length: 1000000\r\n") } else { ("GET", "") };
    write!(client, "{method} /{engine}/{state} HTTP/1.1\r\nHost: a\r\n{length}\r\n").unwrap();
    if upload {
        client.write_all(&[7; 1000]).unwrap();
    }
    reached.recv().unwrap();
    if matches!(state, "flow" | "pause") {
        // The head and part of the body.
        client.read_exact(&mut [0; 1000]).unwrap();
    }
}

#[test]
fn law_7_a_client_that_disconnects_in_any_state_leaves_nothing_behind() {
    within(|| {
        let count: usize = env::var("EXCHANGES").map_or(900, |count| count.parse().expect("a number"));
        let (reached, told) = channel();
        let held = Held { count: Arc::default(), reached };
        let (axum, hyper) = (axum(held.clone()), hyper(held.clone()));
        let own = Arc::strong_count(&held.count);
        let exchanges = |count: usize| {
            for n in 0..count {
                let (address, engine) = [(axum, "pool"), (axum, "thread"), (hyper, "local")][n % 3];
                exchange(address, engine, STATES[n / 3 % STATES.len()], &told);
            }
            // The programs notice the disconnects and end; the programs of axum share what `held` counts.
            while Arc::strong_count(&held.count) > own {
                thread::yield_now();
            }
        };
        exchanges(count / 3);
        let before = Counted::now();
        exchanges(count - count / 3);
        before.expect_no_more();
    });
}
