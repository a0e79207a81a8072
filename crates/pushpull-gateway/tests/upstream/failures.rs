//! Failures of an application: before the head they are a status, after it they cut the response.

use std::io::ErrorKind::{self, TimedOut, UnexpectedEof};
use std::net::SocketAddr;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use pushpull_gateway::ExitStatus;
use pushpull_gateway::fastcgi::{ProtocolStatus, Records, Stream};
use socket2::{Domain, Socket, Type};

use super::app::{app, canned};
use super::ask::{ask, collect, get, got, heard, limits, run, upstream};

const COMPLETE: ProtocolStatus = ProtocolStatus::RequestComplete;

#[test]
fn requirement_15_a_failure_before_the_head_is_answered() {
    run(async {
        let huge: &'static str = Box::leak(format!("A: {}\n\n", "x".repeat(70_000)).into_boxed_str());
        for (out, app_status, status, expected, said) in [
            ("", 0, COMPLETE, 502, "ended before the blank line"),
            ("A: b\n", 0, COMPLETE, 502, "ended before the blank line"),
            ("", 3, COMPLETE, 502, "status 3"),
            ("A: b\n", 1, COMPLETE, 502, "status 1"),
            ("", 0, ProtocolStatus::Overloaded, 503, "overloaded"),
            ("", 0, ProtocolStatus::CantMpxConn, 502, "refuses"),
            ("", 0, ProtocolStatus::UnknownRole, 502, "not a responder"),
            ("no head\n\n", 0, COMPLETE, 502, "line 1 is not a field"),
            (huge, 0, COMPLETE, 502, "longer than 65536 bytes"),
        ] {
            let (address, _) = canned(out, app_status, status).await;
            let (upstream, mut lines) = heard(upstream(&address));
            let (got, text, error) = got(&upstream, "/x").await;
            assert_eq!((got, error), (expected, None), "{said}");
            assert!(!text.contains(said), "the client sees the reason: {text}");
            let line = lines.recv().await.unwrap();
            assert!(line.starts_with("GET /x: ") && line.contains(said), "{line}");
        }
    });
}

#[test]
fn requirement_15_a_cut_comes_after_every_byte() {
    run(async {
        let head = "Content-Type: text/plain\n\n";
        for (out, app_status, status, expected) in [
            (format!("{head}hello"), 1, COMPLETE, Some(UnexpectedEof)),
            (format!("{head}hello"), 0, ProtocolStatus::Overloaded, Some(UnexpectedEof)),
            ("Content-Length: 6\n\nhello".to_owned(), 0, COMPLETE, Some(UnexpectedEof)),
            // Excess bytes never reach the connection, and a complete response stays complete.
            ("Content-Length: 5\n\nhello, and more".to_owned(), 0, COMPLETE, None),
            ("Content-Length: 5\n\nhello".to_owned(), 1, COMPLETE, None),
        ] {
            let (address, _) = canned(Box::leak(out.clone().into_boxed_str()), app_status, status).await;
            assert_eq!(got(&upstream(&address), "/").await, (200, "hello".to_owned(), expected), "{out}");
        }
        let (address, _) = canned("A: b\n\nhello", 1, COMPLETE).await;
        let lenient = upstream(&address).exit_status(ExitStatus::Log);
        assert_eq!(got(&lenient, "/").await, (200, "hello".to_owned(), None));
    });
}

/// An application that sends these bytes and then closes the connection, or does nothing more.
async fn raw(bytes: Vec<u8>, closes: bool) -> String {
    let talk = move |_, mut peer: super::app::Peer| {
        let bytes = bytes.clone();
        async move {
            peer.request().await.unwrap();
            peer.send(&bytes).await;
            if !closes {
                peer.closed().await;
            }
        }
    };
    app(talk).await.0
}

fn stdout(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    pushpull_gateway::fastcgi::records(Stream::Stdout, 1, text.to_owned().into()).put(&mut bytes);
    bytes
}

#[test]
fn requirement_24_a_stream_cut_anywhere_is_an_error() {
    run(async {
        let whole =
            [stdout("A: b\n\n"), stdout("hello"), pushpull_gateway::fastcgi::end_request(1, 0, COMPLETE).to_vec()]
                .concat();
        for cut in 0..whole.len() {
            let address = raw(whole[..cut].to_vec(), true).await;
            let (status, text, error) = got(&upstream(&address), "/").await;
            match status {
                502 => assert!(cut < 14 && error.is_none(), "cut at {cut}"),
                _ => {
                    assert!(cut >= 14 && error == Some(UnexpectedEof), "cut at {cut}: {error:?}");
                    assert!("hello".starts_with(&text));
                }
            }
        }
        assert_eq!(got(&upstream(&raw(whole, true).await), "/").await, (200, "hello".to_owned(), None));
    });
}

#[test]
fn requirement_24_invalid_fastcgi_is_reported() {
    run(async {
        for bytes in
            [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &[0; 100], &[1, 3, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
        {
            let (upstream, mut lines) = heard(upstream(&raw(bytes.to_vec(), false).await));
            assert_eq!(got(&upstream, "/").await.0, 502);
            assert!(lines.recv().await.unwrap().contains("does not speak FastCGI"));
        }
        // After the head it is a cut. Records of other requests and unknown types are skipped.
        let strange =
            [&stdout("A: b\n\nhello")[..], &[1, 77, 0, 0, 0, 2, 1, 0, 9, 9, 0], &[1, 6, 0, 9, 0, 1, 0, 0, b'x']];
        let (_, text, error) = got(&upstream(&raw([&strange.concat()[..], &[9; 8]].concat(), false).await), "/").await;
        assert_eq!((&text[..], error), ("hello", Some(UnexpectedEof)));
        let (_, text, error) =
            got(&upstream(&raw(vec![1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0], false).await), "/").await;
        assert_eq!((&text[..], error), ("502 Bad Gateway\n", None::<ErrorKind>));
    });
}

#[test]
fn requirement_13_each_wait_has_its_limit() {
    run(async {
        let short = Duration::from_millis(20);
        let silent = raw(Vec::new(), false).await;
        let hasty = upstream(&silent).limits(limits(|limits| limits.timeout_first_byte(short)));
        assert_eq!(got(&hasty, "/").await.0, 504);
        let begun = raw(stdout("A: b\n\nhello"), false).await;
        let hasty = upstream(&begun).limits(limits(|limits| limits.timeout_idle(short)));
        assert_eq!(got(&hasty, "/").await, (200, "hello".to_owned(), Some(TimedOut)));
        let hasty = upstream(&begun).limits(limits(|limits| limits.timeout_total(short)));
        let (status, _, error) = got(&hasty, "/").await;
        // On a loaded machine the head may be late too.
        assert!(matches!((status, error), (200, Some(TimedOut)) | (504, None)), "{status} {error:?}");
        let hasty = upstream(&begun).limits(limits(|limits| limits.max_head(4)));
        assert_eq!(got(&hasty, "/").await.0, 502);
        // A client that reads nothing.
        let flood = app(|_, mut peer| async move {
            peer.request().await.unwrap();
            peer.out("A: b\n\n").await;
            peer.fill(usize::MAX, |_| ()).await;
        })
        .await
        .0;
        let (hasty, mut lines) = heard(upstream(&flood).limits(limits(|limits| limits.timeout_client(short))));
        let response = ask(&hasty, get("/")).await;
        hasty.stopped().await;
        assert_eq!(collect(response.into_body()).await.1.unwrap().kind(), TimedOut);
        assert!(lines.try_recv().is_err(), "a stalled client is logged as a failure of the application");
        // As many requests as the limit allows.
        let (busy, count) = app(|_, mut peer| async move { peer.closed().await }).await;
        let narrow = upstream(&busy).limits(limits(|limits| limits.max_programs(1)));
        let asked = narrow.clone();
        let first = tokio::task::spawn_local(async move { got(&asked, "/").await.0 });
        while count.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(got(&narrow, "/").await.0, 503);
        narrow.stop();
        assert_eq!(first.await.unwrap(), 503);
        narrow.stopped().await;
        assert_eq!(got(&narrow, "/").await.0, 503);
    });
}

#[test]
fn an_application_that_is_not_there_is_logged() {
    run(async {
        // The port is bound, but nothing listens on it.
        let taken = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        taken.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = taken.local_addr().unwrap().as_socket().unwrap().to_string();
        for address in [&address, "unix:/no/such/socket", "no-such-host.invalid:9000"] {
            let (upstream, mut lines) = heard(upstream(address));
            assert_eq!(got(&upstream, "/").await.0, 502);
            let line = lines.recv().await.unwrap();
            assert!(line.contains(&format!("cannot connect to {address}")), "{line}");
        }
    });
}

#[test]
fn requirement_15_output_that_ends_before_the_request_ends_the_response() {
    run(async {
        for (out, expected) in [("A: b\n\nhello", None), ("Content-Length: 6\n\nhello", Some(UnexpectedEof))] {
            let (end, ended) = tokio::sync::watch::channel(false);
            let (address, _) = app(move |_, mut peer| {
                let mut ended = ended.clone();
                async move {
                    peer.request().await.unwrap();
                    peer.out(out).await;
                    peer.send(&Records::end(Stream::Stdout, 1)).await;
                    let _ = ended.wait_for(|ended| *ended).await;
                    peer.end(3, COMPLETE).await;
                }
            })
            .await;
            let (upstream, mut lines) = heard(upstream(&address));
            assert_eq!(got(&upstream, "/").await, (200, "hello".to_owned(), expected));
            if expected.is_none() {
                // A later failure is logged.
                end.send(true).unwrap();
                assert_eq!(lines.recv().await.unwrap(), "GET /: the application ended the request with status 3");
            }
            upstream.stopped().await;
        }
    });
}

#[test]
fn requirement_14_an_application_runs_on_after_its_response_until_a_logged_limit() {
    run(async {
        let (address, _) = app(|_, mut peer| async move {
            peer.request().await.unwrap();
            peer.out("Content-Length: 5\n\nhello").await;
            peer.closed().await;
        })
        .await;
        let limits = limits(|limits| limits.timeout_work(Duration::from_millis(50)));
        let (upstream, mut lines) = heard(upstream(&address).limits(limits));
        assert_eq!(got(&upstream, "/").await, (200, "hello".to_owned(), None));
        assert!(lines.recv().await.unwrap().contains("ran on for too long"));
        upstream.stopped().await;
    });
}

#[test]
fn requirement_15_an_error_page_is_complete_whatever_the_status_of_its_application() {
    run(async {
        let (address, _) = canned("Status: 500\n\nerror", 1, COMPLETE).await;
        let (upstream, mut lines) = heard(upstream(&address));
        assert_eq!(got(&upstream, "/").await, (500, "error".to_owned(), None));
        assert!(lines.recv().await.unwrap().contains("with status 1"));
    });
}

#[test]
fn an_application_is_found_by_its_name() {
    run(async {
        let (address, _) = canned("A: b\n\nhello", 0, COMPLETE).await;
        let port = address.rsplit(':').next().unwrap();
        assert_eq!(got(&upstream(&format!("localhost:{port}")), "/").await, (200, "hello".to_owned(), None));
        assert_eq!(got(&upstream(&format!("no-such-host.invalid:{port}")), "/").await.0, 502);
    });
}
