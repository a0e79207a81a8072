//! Requirements 7, 11 and 12: bodies that are unread, not sent, or slow.

use std::io::Write;
use std::iter::once;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::BodyExt;
use pushpull::{Local, Thread};
use pushpull_gateway::host::http::{ClientLimits, End, RequestBody};
use pushpull_gateway::{pull_fn, push_fn, service};

use super::host::{Answer, Host};
use pushpull_testing::http2::{ask, get, talk};
use pushpull_testing::wire::Wire;

/// A host of an app that reads nothing and answers with `len` bytes at once.
fn deaf(len: usize) -> Host {
    Host::start(ClientLimits::new(), move || {
        let body = move || once(Ok(Bytes::from(vec![b'x'; len])));
        let answer = move |_req| Ok(http::Response::builder().header("content-length", len).body(body()).unwrap());
        service(Local::new(), pull_fn(answer))
    })
}

#[test]
fn requirement_7_a_client_that_sends_before_it_reads_gets_the_response() {
    // The second response exceeds the socket buffers: it can only be sent while the request is being read.
    for len in [5, 20 << 20] {
        let host = deaf(len);
        let mut wire = Wire::connect(host.address);
        wire.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", 12 << 20));
        wire.send(vec![b'y'; 12 << 20]);
        let got = wire.rest();
        assert_eq!((got.status(), got.body().len(), got.error), (200, len, None));
    }
}

#[test]
fn requirement_7_the_connection_is_kept_once_the_rest_was_read() {
    let host = deaf(5);
    let mut wire = Wire::connect(host.address);
    for _ in 0..2 {
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n").send(vec![b'y'; 3_000_000]);
        wire.until("\r\n\r\nxxxxx");
    }
    assert_eq!(host.said.records(2).len(), 2);
}

#[test]
fn requirement_7_no_more_than_16_mib_is_discarded() {
    let host = deaf(5);
    let mut wire = Wire::connect(host.address);
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    // An endless body. The first limit is that of the background, the second that of the close.
    let piece = [b"10000\r\n", &vec![b'y'; 1 << 16][..], b"\r\n"].concat();
    let mut sent = 0_u64;
    while wire.0.write_all(&piece).is_ok() {
        sent += piece.len() as u64;
        assert!(sent < 256 << 20, "the server reads everything");
    }
    assert!(sent > 16 << 20, "only {sent} bytes were read");
}

#[test]
fn requirement_7_an_unwanted_body_is_not_asked_for_with_100_continue() {
    let host = Host::start(ClientLimits::new(), || {
        Answer(|request: http::Request<RequestBody>| async move {
            // The request is dropped well before the response.
            drop(request);
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            http::Response::new(http_body_util::Full::new(Bytes::from_static(b"hello")))
        })
    });
    let mut wire = Wire::connect(host.address);
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n");
    assert!(wire.until("\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn requirement_11_the_body_of_head_is_not_sent() {
    let host = Host::start(ClientLimits::new(), || {
        service(
            Local::new(),
            push_fn(|_inp, out, _err, env| {
                writeln!(out, "Content-Type: text/{}\n", env.get_str("REQUEST_METHOD").unwrap())?;
                out.write_all(&[b'x'; 3_000_000])
            }),
        )
    });
    let got = pushpull_testing::wire::exchange(host.address, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(String::from_utf8_lossy(&got.text).contains("content-type: text/HEAD\r\n"));
    assert_eq!((got.status(), got.body(), got.error), (200, &b""[..], None));
    let body = talk(host.address, async |mut sender| {
        let mut request = get("/");
        *request.method_mut() = http::Method::HEAD;
        ask(&mut sender, request).await.into_body().collect().await.unwrap().to_bytes()
    });
    assert_eq!(body, "");
    assert!(host.said.records(2).iter().all(|record| record.end == End::Done && record.bytes == 0));
}

#[test]
fn requirement_17_a_205_has_no_content_and_a_length_of_zero() {
    let apps: [Host; 2] = [
        Host::start(ClientLimits::new(), || {
            service(Local::new(), push_fn(|_inp, out, _err, _env| out.write_all(b"Status: 205\n\nbody")))
        }),
        // A plain service instead of an app.
        Host::start(ClientLimits::new(), || {
            super::host::Answer(|_| async {
                let mut response = http::Response::new(http_body_util::Full::new(bytes::Bytes::from_static(b"body")));
                *response.status_mut() = http::StatusCode::RESET_CONTENT;
                response
            })
        }),
    ];
    for host in apps {
        let mut wire = pushpull_testing::wire::Wire::connect(host.address);
        for _ in 0..2 {
            let head = wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("\r\n\r\n");
            assert!(head.starts_with("HTTP/1.1 205 ") && head.contains("content-length: 0\r\n"), "{head}");
        }
        for request in ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"] {
            assert_eq!(pushpull_testing::wire::exchange(host.address, request).body(), b"");
        }
        let (length, body) = talk(host.address, async |mut sender| {
            let response = ask(&mut sender, get("/")).await;
            let length = response.headers().get("content-length").cloned();
            (length, response.into_body().collect().await.unwrap().to_bytes())
        });
        assert_eq!((length, body), (Some("0".try_into().unwrap()), "".into()));
        assert!(host.said.records(5).iter().all(|record| record.end == End::Done && record.bytes == 0));
    }
}

/// A host of an app that writes one piece for each message.
fn trickling(on: impl Fn(Arc<Mutex<Receiver<()>>>) -> Host) -> (Host, std::sync::mpsc::Sender<()>) {
    let (tell, told) = channel();
    (on(Arc::new(Mutex::new(told))), tell)
}

#[test]
fn requirement_12_each_piece_arrives_as_it_is_written() {
    let (host, tell) = trickling(|told| {
        let app = Arc::new(push_fn(move |_inp, out, _err, _env| {
            let told = told.lock().unwrap();
            out.write_all(b"Content-Type: text/plain\n\n")?;
            out.flush()?;
            while told.recv().is_ok() {
                out.write_all(b"piece\n")?;
                out.flush()?;
            }
            Ok(())
        }));
        Host::start(ClientLimits::new(), move || service(Thread::new(), app.clone()))
    });
    let mut wire = Wire::connect(host.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").until("\r\n\r\n");
    for _ in 0..3 {
        // The next piece is written only after this one was read.
        tell.send(()).unwrap();
        wire.until("6\r\npiece\n\r\n");
    }
    drop(tell);
    assert_eq!(wire.rest().text, b"0\r\n\r\n");
}
