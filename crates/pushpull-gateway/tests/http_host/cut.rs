//! Requirement 15: a truncated response is visibly truncated, and everything before the cut arrives. Requirement 16: a
//! client that does not read blocks its program.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use pushpull::{Local, Thread};
use pushpull_gateway::host::http::{ClientLimits, End, RequestBody};
use pushpull_gateway::{push_fn, service};

use super::host::{Answer, Host};
use pushpull_testing::http2::{ask, get, talk};
use pushpull_testing::wire::{Wire, exchange};

const LEN: usize = 8 << 20;

/// A length that fits into a stream's window.
const SHORT: usize = 32 << 10;

/// A host of an app that fails after `LEN` bytes (`/short`: `SHORT`). On `/announced` it declares one byte more.
fn failing() -> Host {
    Host::start(ClientLimits::new(), || {
        service(
            Local::new(),
            push_fn(|_inp, out, _err, env| {
                if env.get_str("PATH_INFO") == Some("/announced") {
                    writeln!(out, "Content-Length: {}", LEN + 1)?;
                }
                out.write_all(b"Content-Type: text/plain\n\n")?;
                let len = if env.get_str("PATH_INFO") == Some("/short") { SHORT } else { LEN };
                for _ in 0..len / 4096 {
                    out.write_all(&[b'x'; 4096])?;
                }
                Err(io::Error::other("it breaks"))
            }),
        )
    })
}

#[test]
fn requirement_15_on_http_1_1_the_last_chunk_is_missing() {
    let host = failing();
    let got = exchange(host.address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let (body, whole) = got.chunks();
    assert_eq!((body.len(), whole), (LEN, false));
    let got = exchange(host.address, "GET /announced HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(got.body().len(), LEN);
    assert!(host.said.records(2).iter().all(|record| record.end == End::Cut && record.bytes == LEN as u64));
}

#[test]
fn requirement_15_an_error_waits_until_a_slow_client_has_read_the_rest() {
    let host = Host::start(ClientLimits::new(), || {
        Answer(|request: http::Request<RequestBody>| {
            let pieces: usize = request.uri().path()[1..].parse().unwrap();
            let frames = (0..pieces).map(|_| Ok(Frame::data(Bytes::from_static(&[b'x'; 1024]))));
            let frames = frames.chain([Err(io::Error::other("it breaks"))]);
            async move { http::Response::new(StreamBody::new(futures_util::stream::iter(frames))) }
        })
    });
    // With some of these lengths the sockets are full, and the rest is in the server when the body fails.
    for pieces in (0..4096).step_by(32) {
        let mut wire = Wire::narrow(host.address);
        wire.send(format!("GET /{pieces} HTTP/1.1\r\nHost: a\r\n\r\n"));
        wire.until("\r\n\r\n");
        std::thread::sleep(std::time::Duration::from_millis(2));
        let mut body = wire.rest();
        body.text.splice(..0, *b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        let (body, whole) = body.chunks();
        assert_eq!((body.len(), whole), (pieces * 1024, false));
    }
}

#[test]
fn requirement_15_on_http_1_0_the_connection_is_reset() {
    let host = failing();
    let got = exchange(host.address, "GET / HTTP/1.0\r\n\r\n");
    assert_eq!((got.body().len(), got.error), (LEN, Some(io::ErrorKind::ConnectionReset)));
    // A response with a length needs no reset.
    let got = exchange(host.address, "GET /announced HTTP/1.0\r\n\r\n");
    assert_eq!((got.body().len(), got.error), (LEN, None));
}

#[test]
fn requirement_15_a_complete_http_1_0_response_ends_without_a_reset() {
    let host = Host::start(ClientLimits::new(), || {
        service(
            Local::new(),
            push_fn(|_inp, out, _err, _env| {
                out.write_all(b"Content-Type: text/plain\n\n")?;
                out.write_all(&[b'x'; LEN])
            }),
        )
    });
    let got = exchange(host.address, "GET / HTTP/1.0\r\n\r\n");
    assert_eq!((got.body().len(), got.error), (LEN, None));
}

#[test]
fn requirement_17_a_close_delimited_http_1_0_response_does_not_announce_keep_alive() {
    let host = Host::start(ClientLimits::new(), || {
        service(
            Local::new(),
            push_fn(|_inp, out, _err, env| {
                if env.get_str("PATH_INFO") == Some("/announced") {
                    out.write_all(b"Content-Length: 5\n")?;
                }
                out.write_all(b"Content-Type: text/plain\nConnection: keep-alive\n\n")?;
                out.flush()?;
                out.write_all(b"hello")
            }),
        )
    });
    let ask = |method: &str, path: &str| format!("{method} {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let got = exchange(host.address, ask("GET", "/"));
    let head = String::from_utf8_lossy(&got.text).to_lowercase();
    assert!(head.starts_with("http/1.0 200 ok\r\n") && head.contains("\r\nconnection: close\r\n"), "{head}");
    assert_eq!((got.body(), got.error), (&b"hello"[..], None));
    // A response with a length or without a body does not end with the connection.
    let mut wire = Wire::connect(host.address);
    for _ in 0..2 {
        let head = wire.send(ask("GET", "/announced")).until("hello").to_lowercase();
        assert!(head.contains("\r\nconnection: keep-alive\r\n"), "{head}");
        let head = wire.send(ask("HEAD", "/")).until("\r\n\r\n").to_lowercase();
        assert!(head.contains("\r\nconnection: keep-alive\r\n"), "{head}");
    }
}

#[test]
fn requirement_15_on_http_2_the_stream_is_reset() {
    let host = failing();
    let (bytes, error) = talk(host.address, async |mut sender| {
        // A longer response would have to leave within the pause before the reset.
        let mut body = ask(&mut sender, get("/short")).await.into_body();
        let mut bytes = 0;
        let error = loop {
            match body.frame().await {
                Some(Ok(frame)) => bytes += frame.into_data().unwrap().len(),
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        // Other requests on the connection are not affected.
        assert_eq!(ask(&mut sender, get("/")).await.status(), 200);
        (bytes, error)
    });
    assert_eq!(bytes, SHORT);
    assert!(error.is_some());
}

#[test]
fn requirement_16_a_client_that_does_not_read_blocks_its_program() {
    let written = Arc::new(AtomicU64::new(0));
    let app = {
        let written = written.clone();
        Arc::new(push_fn(move |_inp, out, _err, _env| {
            out.write_all(b"Content-Type: text/plain\n\n")?;
            loop {
                out.write_all(&[b'x'; 1024])?;
                written.fetch_add(1024, Ordering::SeqCst);
            }
        }))
    };
    let host =
        Host::start(ClientLimits::new(), move || service(Thread::new().chunk_size(1024).capacity(4096), app.clone()));
    let mut wire = Wire::narrow(host.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("\r\n\r\n");
    // The program is blocked if the count does not change while another client receives this much.
    let mut before = u64::MAX;
    super::host::wait_until("the program is held", || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let now = written.load(Ordering::SeqCst);
        std::mem::replace(&mut before, now) == now
    });
    assert!(before < 16 << 20, "{before} bytes were written although the client reads nothing");
    drop(wire);
    assert_eq!(host.said.records(1)[0].end, End::Gone);
}
