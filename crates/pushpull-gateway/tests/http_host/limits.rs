//! Requirement 13: each limit of the host.

use std::future::pending;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use pushpull::Local;
use pushpull_gateway::host::http::{ClientLimits, End};
use pushpull_gateway::{push_fn, service};

use super::host::{Answer, Host, wait_until};
use pushpull_testing::http2::{ask, get, with_window};
use pushpull_testing::wire::Wire;

const SHORT: Duration = Duration::from_millis(200);

/// The time that the test itself may need.
const LONGER: Duration = Duration::from_secs(1);

fn greeting(limits: ClientLimits) -> Host {
    Host::start(limits, || {
        service(
            Local::new(),
            push_fn(|inp, out, _err, _env| {
                let mut body = Vec::new();
                inp.read_to_end(&mut body)?;
                write!(out, "Content-Length: 5\n\nhello")
            }),
        )
    })
}

#[test]
fn requirement_13_a_connection_beyond_the_limit_is_a_503() {
    let host = greeting(ClientLimits::new().max_connections(2));
    let kept: Vec<_> = (0..2)
        .map(|_| {
            let mut wire = Wire::connect(host.address);
            wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("hello");
            wire
        })
        .collect();
    let got = Wire::connect(host.address).rest();
    assert_eq!(got.status(), 503);
    drop(kept);
    wait_until("there is room again", || {
        let mut wire = Wire::connect(host.address);
        let _ = wire.0.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut text = String::new();
        let _ = wire.0.read_to_string(&mut text);
        text.ends_with("hello")
    });
}

#[test]
fn requirement_13_a_silent_connection_is_closed() {
    let host = greeting(ClientLimits::new().timeout_head(SHORT));
    let got = Wire::connect(host.address).rest();
    assert_eq!((got.text, got.error), (Vec::new(), None));
}

#[test]
fn requirement_13_an_endless_head_is_a_408() {
    let host = greeting(ClientLimits::new().timeout_head(SHORT));
    let mut wire = Wire::connect(host.address);
    // More bytes do not extend the time.
    wire.send("GET / HTTP/1.1\r\n");
    let mut slow = wire.0.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        while slow.write_all(b"X: y\r\n").is_ok() {
            std::thread::sleep(SHORT / 10);
        }
    });
    assert_eq!(wire.rest().status(), 408);
    drop(wire);
    sending.join().unwrap();
}

#[test]
fn requirement_13_a_kept_connection_is_closed_when_it_is_silent() {
    let host = greeting(ClientLimits::new().timeout_head(Duration::MAX).keep_alive(LONGER));
    let mut wire = Wire::connect(host.address);
    for _ in 0..2 {
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("hello");
    }
    let got = wire.rest();
    assert_eq!((got.text, got.error), (Vec::new(), None));
}

#[test]
fn requirement_13_the_next_head_of_a_kept_connection_has_its_own_time() {
    let host = greeting(ClientLimits::new().timeout_head(LONGER).keep_alive(Duration::MAX));
    let mut wire = Wire::connect(host.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("hello");
    std::thread::sleep(LONGER * 3);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("hello");
    // Part of the next head.
    wire.send("GET /");
    assert_eq!(wire.rest().status(), 408);
}

#[test]
fn requirement_13_a_response_may_take_longer_than_a_head() {
    let host = Host::start(ClientLimits::new().timeout_head(LONGER), || {
        Answer(|_| async {
            tokio::time::sleep(LONGER * 2).await;
            Response::new(http_body_util::Full::new(Bytes::from_static(b"hello")))
        })
    });
    let mut wire = Wire::connect(host.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("hello");
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("hello");
}

#[test]
fn requirement_13_a_request_body_that_does_not_arrive_is_a_408() {
    let host = greeting(ClientLimits::new().timeout_idle(SHORT));
    let mut wire = Wire::connect(host.address);
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nab");
    assert_eq!(wire.rest().status(), 408);
    // A truncated body is the client's fault too.
    let mut wire = Wire::connect(host.address);
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n");
    assert_eq!(wire.rest().status(), 400);
}

fn endless(limits: ClientLimits) -> Host {
    Host::start(limits, || {
        service(
            Local::new(),
            push_fn(|_inp, out, _err, env| {
                out.write_all(b"Content-Type: text/plain\n\n")?;
                if env.get_str("PATH_INFO") == Some("/short") {
                    return out.write_all(b"hello");
                }
                loop {
                    out.write_all(&[b'x'; 4096])?;
                }
            }),
        )
    })
}

#[test]
fn requirement_13_a_client_that_does_not_read_is_cut() {
    let host = endless(ClientLimits::new().timeout_client(SHORT));
    let mut wire = Wire::narrow(host.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("\r\n\r\n");
    assert_eq!(host.said.records(1)[0].end, End::Cut);
    assert_eq!(wire.rest().error, Some(std::io::ErrorKind::ConnectionReset));
}

#[test]
fn requirement_13_a_client_that_reads_slowly_is_not_cut() {
    let stall = LONGER * 3;
    let host = endless(ClientLimits::new().timeout_client(stall).timeout_head(SHORT));
    let mut wire = Wire::narrow(host.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("\r\n\r\n");
    // A socket is writable again when a third of its buffer is free, which may be more than 1 MiB.
    let mut buffer = vec![0; 1 << 18];
    let began = Instant::now();
    while began.elapsed() < stall + SHORT {
        std::thread::sleep(SHORT / 8);
        wire.0.read_exact(&mut buffer).unwrap();
    }
}

#[test]
fn a_time_beyond_any_instant_is_no_limit() {
    let longest = Duration::MAX;
    let limits = ClientLimits::new()
        .timeout_head(longest)
        .timeout_idle(longest)
        .timeout_client(longest)
        .shutdown_notice(Duration::ZERO)
        .shutdown_grace(longest);
    let host = greeting(limits);
    let mut wire = Wire::connect(host.address);
    for _ in 0..2 {
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n").send("x").until("hello");
    }
}

#[test]
fn requirement_13_an_unread_http_2_stream_is_cut_alone() {
    let host = endless(ClientLimits::new().timeout_client(LONGER).timeout_head(LONGER));
    with_window(host.address, Some(1 << 16), async |mut sender| {
        let mut held = ask(&mut sender, get("/")).await.into_body();
        let mut read = ask(&mut sender, get("/")).await.into_body();
        let until = Instant::now() + super::host::DEADLINE;
        // One stream is read continuously, the other is not.
        loop {
            read.frame().await.unwrap().unwrap();
            assert!(Instant::now() < until, "the other stream is not cut");
            if !host.said.is_empty() {
                break;
            }
        }
        loop {
            match held.frame().await {
                Some(Ok(_)) => {}
                Some(Err(_)) => break,
                None => panic!("it looks whole"),
            }
        }
        read.frame().await.unwrap().unwrap();
        assert_eq!(ask(&mut sender, get("/short")).await.into_body().collect().await.unwrap().to_bytes(), "hello");
    });
    assert_eq!(host.said.records(1)[0].end, End::Cut);
}

#[test]
fn requirement_13_a_connection_of_http_2_without_requests_is_closed() {
    let host = Host::start(ClientLimits::new().timeout_head(Duration::MAX).keep_alive(LONGER), || {
        Answer(|request: http::Request<_>| async move {
            if request.uri().path() == "/" {
                return Response::new(http_body_util::Full::new(Bytes::from_static(b"hello")));
            }
            pending().await
        })
    });
    with_window(host.address, None, async |mut sender| {
        let body = ask(&mut sender, get("/")).await.into_body();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "hello");
        while !sender.is_closed() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

/// Limits of which only the client's can be reached.
fn only_the_clients(stall: Duration) -> ClientLimits {
    ClientLimits::new()
        .timeout_client(stall)
        .timeout_head(Duration::MAX)
        .keep_alive(Duration::MAX)
        .timeout_idle(Duration::MAX)
}

#[test]
fn requirement_13_the_clients_limit_does_not_wait_for_that_of_a_head() {
    let host = endless(only_the_clients(SHORT));
    let mut wire = Wire::narrow(host.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("\r\n\r\n");
    assert_eq!(host.said.records(1)[0].end, End::Cut);
    // On HTTP/2: before the client has read anything, and after.
    for window in [0, 1 << 14] {
        with_window(host.address, Some(window), async |mut sender| {
            let before = host.said.count();
            let mut held = ask(&mut sender, get("/")).await.into_body();
            while host.said.count() == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            while held.frame().await.expect("the response looks complete").is_ok() {}
        });
    }
    assert!(host.said.records(3).iter().all(|record| record.end == End::Cut));
}

#[test]
fn requirement_13_a_client_that_reads_little_but_steadily_is_not_cut() {
    let host = endless(only_the_clients(LONGER));
    let mut wire = Wire::narrow(host.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("\r\n\r\n");
    // In all, less than the third of the socket's buffer from which on it counts as writable.
    let mut buffer = [0; 4096];
    let began = Instant::now();
    while began.elapsed() < LONGER * 4 {
        std::thread::sleep(SHORT / 4);
        wire.0.read_exact(&mut buffer).unwrap();
    }
    assert!(host.said.is_empty());
    // The client has stopped reading, and is cut.
    assert_eq!(host.said.records(1)[0].end, End::Cut);
}

#[test]
fn requirement_13_pings_are_no_requests() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0pingpong";
    let host = greeting(ClientLimits::new().timeout_head(LONGER));
    let mut wire = Wire::connect(host.address);
    wire.send(PREFACE);
    let mut pinging = wire.0.try_clone().unwrap();
    let sent = std::thread::spawn(move || {
        (0..200).find(|_| {
            std::thread::sleep(SHORT / 4);
            pinging.write_all(PING).is_err()
        })
    });
    // Every PING is answered, and nothing is HTTP/1.1.
    let got = wire.rest().text;
    assert!(got.windows(8).any(|window| window == b"pingpong"));
    assert!(!got.windows(5).any(|window| window == b"HTTP/"), "{}", got.escape_ascii());
    drop(wire);
    assert!(sent.join().unwrap().is_some(), "a connection with nothing but PINGs is kept");
}
