//! Requirement 17: stopping a server.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use parking_lot::Mutex;
use pushpull::Thread;
use pushpull_gateway::host::http::{ClientLimits, End, Server};
use pushpull_gateway::{push_fn, service};

use super::host::{Host, wait_until};
use pushpull_testing::wire::Wire;

/// A host of an app that waits for a message after its head.
fn waiting(limits: ClientLimits) -> (Host, Sender<()>) {
    let (tell, told) = channel::<()>();
    let told = Mutex::new(told);
    let app = Arc::new(push_fn(move |_inp, out, _err, _env| {
        out.write_all(b"Content-Type: text/plain\n\nfirst\n")?;
        out.flush()?;
        let _ = told.lock().recv();
        out.write_all(b"last\n")
    }));
    (Host::start(limits, move || service(Thread::new(), app.clone())), tell)
}

#[test]
fn requirement_17_a_running_response_finishes_and_no_other_begins() {
    // No other limit closes a connection here.
    let hour = Duration::from_secs(3600);
    let (host, tell) = waiting(ClientLimits::new().shutdown_grace(hour).timeout_head(hour));
    let mut wire = Wire::connect(host.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("first\n\r\n");
    let mut idle = Wire::connect(host.address);
    host.shutdown.begin();
    // The idle connection is closed, and the port is free.
    assert_eq!(idle.rest().text, b"");
    wait_until("no connection is accepted", || TcpStream::connect(host.address).is_err());
    tell.send(()).unwrap();
    let got = wire.rest();
    assert_eq!(got.text, b"5\r\nlast\n\r\n0\r\n\r\n");
    // The server waits for the clients' closes, for some seconds.
    drop((wire, idle));
    let said = host.said.clone();
    host.stopped().unwrap();
    assert_eq!(said.records(1)[0].end, End::Done);
}

#[test]
fn requirement_17_the_first_request_of_an_accepted_connection_is_answered() {
    let (host, tell) = waiting(ClientLimits::new());
    (0..2).for_each(|_| tell.send(()).unwrap());
    let (mut fresh, mut kept) = (Wire::connect(host.address), Wire::connect(host.address));
    // Accepted later than the other.
    kept.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("\r\n0\r\n\r\n");
    host.shutdown.begin();
    assert_eq!(kept.rest().text, b"");
    fresh.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let text = String::from_utf8(fresh.rest().text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("\r\nconnection: close\r\n"), "{text}");
    assert!(text.ends_with("\r\n5\r\nlast\n\r\n0\r\n\r\n"), "{text}");
}

#[test]
fn requirement_17_after_the_grace_a_response_is_cut() {
    let (host, tell) = waiting(ClientLimits::new().shutdown_grace(Duration::from_millis(100)));
    let mut wire = Wire::connect(host.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("first\n\r\n");
    let mut old = Wire::connect(host.address);
    old.send("GET / HTTP/1.0\r\n\r\n");
    // The second program waits for the first one's lock, so this response has only its head.
    old.until("first\n");
    host.shutdown.begin();
    let got = wire.rest();
    assert_eq!(got.text, b"");
    assert_eq!(old.rest().error, Some(std::io::ErrorKind::ConnectionReset));
    let said = host.said.clone();
    drop(tell);
    host.stopped().unwrap();
    assert!(said.records(2).iter().all(|record| record.end == End::Cut));
}

#[test]
fn requirement_17_a_cut_does_not_wait() {
    let (host, tell) = waiting(ClientLimits::new().shutdown_grace(Duration::from_secs(3600)));
    let mut wire = Wire::connect(host.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("first\n\r\n");
    host.shutdown.begin();
    host.shutdown.cut();
    assert_eq!(wire.rest().text, b"");
    drop(tell);
    host.stopped().unwrap();
}

#[test]
fn requirement_17_a_taken_port_is_an_error() {
    let (host, _tell) = waiting(ClientLimits::new());
    assert_eq!(Server::bind(host.address).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
}
