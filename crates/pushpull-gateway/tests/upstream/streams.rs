//! Bytes flow in both directions at once, at the pace of their reader, and stop with the client.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use pushpull_gateway::fastcgi::{ProtocolStatus, Stream};
use pushpull_gateway::{BodyPolicy, LocalRedirects, Mount, Upstream};
use tokio::sync::Notify;
use tower_service::Service;

use super::app::{app, canned};
use super::ask::{ask, chunk, collect, get, got, heard, keeping, limits, post, request, run, upstream};

/// A request whose body is written by the test and has no known length.
fn upload() -> (pushpull::Writer, http::Request<impl http_body::Body<Data = Bytes, Error = std::io::Error> + Send>) {
    let (writer, chunks) = pushpull::pipe(64 << 10);
    let body = StreamBody::new(StreamExt::map(chunks, |chunk| chunk.map(Frame::data)));
    (writer, request("PUT", "/").header("transfer-encoding", "chunked").body(body).unwrap())
}

#[test]
fn requirement_12_a_duplex_echo_flows_both_ways() {
    run(async {
        let (address, count) = app(|_, mut peer| async move {
            while let Some(asked) = peer.begin().await {
                assert!(!asked.params.contains_key("CONTENT_LENGTH"));
                peer.out("A: b\n\n").await;
                while let Some(content) = peer.stdin().await.filter(|content| !content.is_empty()) {
                    peer.out(content).await;
                }
                peer.well().await;
            }
        })
        .await;
        let upstream = keeping(&address).request_body(BodyPolicy::Stream);
        for _ in 0..3 {
            let (mut writer, request) = upload();
            let mut body = ask(&upstream, request).await.into_body();
            for word in ["one", "two", "three"] {
                writer.write_all(word.as_bytes()).unwrap();
                writer.flush().unwrap();
                // The application may read a record in two pieces.
                let mut echo = chunk(&mut body).await.to_vec();
                while echo.len() < word.len() {
                    echo.extend(chunk(&mut body).await);
                }
                assert_eq!(echo, word.as_bytes());
            }
            writer.finish().unwrap();
            assert!(body.frame().await.is_none());
        }
        assert_eq!(count.load(SeqCst), 1);
    });
}

#[test]
fn requirement_3_content_length_is_there_if_the_length_is_known() {
    run(async {
        let (address, _) = app(|_, mut peer| async move {
            while let Some(asked) = peer.request().await {
                let length = asked.params.get("CONTENT_LENGTH").cloned().unwrap_or_default();
                peer.out(format!("A: b\n\n[{length}] {}", asked.stdin.len())).await;
                peer.well().await;
            }
        })
        .await;
        let upstream = upstream(&address);
        assert_eq!(got(&upstream, "/").await.1, "[] 0");
        for length in [0, 1, 100_000, 3_000_000] {
            let response = ask(&upstream, post("/", vec![b'x'; length])).await;
            assert_eq!(collect(response.into_body()).await.0, format!("[{length}] {length}").as_bytes());
            let (mut writer, request) = upload();
            let sent = std::thread::spawn(move || {
                writer.write_all(&vec![b'y'; length]).unwrap();
                writer.finish().unwrap();
            });
            let response = ask(&upstream, request).await;
            assert_eq!(collect(response.into_body()).await.0, format!("[{length}] {length}").as_bytes());
            sent.join().unwrap();
        }
        let reject = upstream.clone().request_body(BodyPolicy::Reject);
        assert_eq!(ask(&reject, upload().1).await.status(), 411);
        assert_eq!(collect(ask(&reject, post("/", "four")).await.into_body()).await.0, b"[4] 4");
        let small = upstream.limits(limits(|limits| limits.max_body(3)));
        assert_eq!(ask(&small, post("/", "four")).await.status(), 413);
    });
}

#[test]
fn requirement_16_a_stalled_client_stalls_the_application() {
    run(async {
        const ALL: usize = 256 << 20;
        let (stalled, told) = (Arc::new(Notify::new()), Rc::new(Cell::new(0)));
        let (notify, sent) = (stalled.clone(), told.clone());
        let (address, _) = app(move |_, mut peer| {
            let (notify, sent) = (notify.clone(), sent.clone());
            async move {
                peer.request().await.unwrap();
                peer.out("A: b\n\n").await;
                let told = |bytes| {
                    sent.set(bytes);
                    notify.notify_one();
                };
                peer.fill(ALL, told).await;
                peer.well().await;
                peer.closed().await;
            }
        })
        .await;
        let response = ask(&upstream(&address), get("/")).await;
        stalled.notified().await;
        // At most the system's buffers and a chunk.
        assert!(told.get() < ALL / 8, "{} bytes were written although the client reads nothing", told.get());
        let (bytes, error) = collect(response.into_body()).await;
        assert!(error.is_none() && bytes.len() >= told.get() / 2);
    });
}

#[test]
fn requirement_14_a_disconnected_client_closes_the_connection() {
    run(async {
        let (begun, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (starts, ends) = (begun.clone(), gone.clone());
        let (address, count) = app(move |number, mut peer| {
            let (starts, ends) = (starts.clone(), ends.clone());
            async move {
                peer.request().await.unwrap();
                if number == 0 {
                    peer.out("A: b\n\n").await;
                }
                starts.notify_one();
                peer.closed().await;
                ends.notify_one();
            }
        })
        .await;
        let upstream = upstream(&address);
        // A disconnect after the head, and one before it.
        drop(ask(&upstream, get("/")).await);
        gone.notified().await;
        let asked = upstream.clone();
        let waits = tokio::task::spawn_local(async move { drop(ask(&asked, get("/")).await) });
        begun.notified().await;
        while count.load(SeqCst) < 2 {
            begun.notified().await;
        }
        waits.abort();
        gone.notified().await;
        upstream.stopped().await;
    });
}

#[test]
fn requirement_11_head_and_bodyless_answers_are_drained() {
    run(async {
        let heads = [
            ("HEAD", "Content-Length: 1000000"),
            ("GET", "Status: 204"),
            ("GET", "Status: 205\nContent-Length: 9"),
            ("GET", "Status: 304"),
        ];
        for (method, head) in heads {
            let (address, count) = app(move |_, mut peer| async move {
                while peer.request().await.is_some() {
                    peer.out(format!("{head}\n\n")).await;
                    peer.out(vec![b'x'; 1_000_000]).await;
                    peer.well().await;
                }
            })
            .await;
            let upstream = keeping(&address);
            for _ in 0..3 {
                let response = ask(&upstream, request(method, "/").body(Empty::<Bytes>::new()).unwrap()).await;
                assert_eq!(collect(response.into_body()).await.0, b"");
                // The application runs until it ends by itself.
                upstream.stopped().await;
            }
            assert_eq!(count.load(SeqCst), 1, "{head}");
        }
        // But not forever.
        let (address, _) = app(|_, mut peer| async move {
            peer.request().await;
            peer.out("A: b\n\n").await;
            peer.fill(usize::MAX, |_| ()).await;
        })
        .await;
        let upstream = upstream(&address);
        let response = ask(&upstream, request("HEAD", "/").body(Empty::<Bytes>::new()).unwrap()).await;
        assert_eq!(collect(response.into_body()).await.0, b"");
        upstream.stopped().await;
    });
}

#[test]
fn requirement_7_a_response_before_the_body_was_read_arrives() {
    run(async {
        let (address, _) = app(|_, mut peer| async move {
            peer.begin().await.unwrap();
            // 3 MB before a byte is read.
            peer.out("A: b\n\n").await;
            peer.out(vec![b'x'; 3 << 20]).await;
            peer.well().await;
            // A close with bytes unread would be a reset, which may overtake the output.
            peer.closed().await;
        })
        .await;
        let (bytes, error) = collect(ask(&upstream(&address), post("/", vec![b'y'; 20 << 20])).await.into_body()).await;
        assert_eq!((bytes.len(), error.is_none()), (3 << 20, true));
    });
}

#[test]
fn its_error_stream_is_logged() {
    run(async {
        let (address, _) = app(|_, mut peer| async move {
            peer.request().await.unwrap();
            peer.stream_of(Stream::Stderr, "one\ntw".into()).await;
            peer.out("A: b\n\nhel").await;
            peer.stream_of(Stream::Stderr, "o\x1b\nthree".into()).await;
            peer.out("lo").await;
            peer.stream_of(Stream::Stderr, vec![b'x'; 1 << 20].into()).await;
            peer.well().await;
        })
        .await;
        let (upstream, mut lines) = heard(upstream(&address));
        assert_eq!(got(&upstream, "/").await.1, "hello");
        for line in ["one", "two\\x1b"] {
            assert_eq!(lines.recv().await.unwrap(), line);
        }
    });
}

#[test]
fn requirement_1_and_4_parameters_are_the_meta_variables() {
    run(async {
        let (address, _) = app(|_, mut peer| async move {
            while let Some(asked) = peer.request().await {
                let text = asked.params.iter().map(|(name, value)| format!("{name}={value}\n")).collect::<String>();
                peer.out(format!("A: b\n\n{text}")).await;
                peer.well().await;
            }
        })
        .await;
        let upstream = upstream(&address).mount(Mount::at("/app").unwrap()).param("SCRIPT_FILENAME", "/x.php").unwrap();
        let long = "v".repeat(70_000);
        let asked = request("GET", "/app/a%20b?q").header("proxy", "evil").header("x-long", &long[..]);
        let response =
            ask(&upstream, asked.header("authorization", "Basic x").body(Empty::<Bytes>::new()).unwrap()).await;
        let text = String::from_utf8(collect(response.into_body()).await.0).unwrap();
        let long = format!("HTTP_X_LONG={long}");
        for line in [
            "GATEWAY_INTERFACE=CGI/1.1",
            "SCRIPT_NAME=/app",
            "PATH_INFO=/a b",
            "QUERY_STRING=q",
            "REQUEST_URI=/app/a%20b?q",
            "REQUEST_METHOD=GET",
            "SERVER_NAME=localhost",
            "SCRIPT_FILENAME=/x.php",
            &long,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert!(!text.contains("HTTP_PROXY") && !text.contains("AUTHORIZATION") && !text.contains("DOCUMENT_ROOT"));
        assert_eq!(got(&upstream, "/elsewhere").await.0, 404);
        assert_eq!(got(&upstream, "/app/a%2Fb").await.0, 400);
    });
}

#[test]
fn requirement_9_local_redirects_are_marked_and_followed() {
    run(async {
        let (address, count) = app(|_, mut peer| async move {
            while let Some(asked) = peer.request().await {
                match &asked.params["PATH_INFO"][..] {
                    "/from" => peer.out("Location: /to?x\n\n").await,
                    path => {
                        peer.out(format!("A: b\n\n{path} {} {}", asked.params["QUERY_STRING"], asked.stdin.len())).await
                    }
                }
                peer.well().await;
            }
        })
        .await;
        // The permit is reused.
        let upstream: Upstream = keeping(&address).limits(limits(|limits| limits.max_programs(1)));
        assert_eq!(got(&upstream, "/from").await.0, 302);
        let response = LocalRedirects::new(upstream).call(get("/from")).await.unwrap();
        assert_eq!(collect(response.into_body()).await.0, b"/to x 0");
        assert_eq!(count.load(SeqCst), 1);
    });
}

#[test]
fn a_short_response_that_is_complete_has_a_length() {
    run(async {
        let (address, _) = app(|_, mut peer| async move {
            while peer.request().await.is_some() {
                let mut answer = Vec::new();
                pushpull_gateway::fastcgi::records(Stream::Stdout, 1, "A: b\n\nhello".into()).put(&mut answer);
                answer.extend(pushpull_gateway::fastcgi::end_request(1, 0, ProtocolStatus::RequestComplete));
                peer.send(&answer).await;
            }
        })
        .await;
        let body = ask(&upstream(&address), get("/")).await.into_body();
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(5));
        assert_eq!(collect(body).await.0, b"hello");
    });
}

#[test]
fn requirement_10_fields_of_the_head_are_checked() {
    run(async {
        let head = "Status: 404 No\nSet-Cookie: a\nSet-Cookie: b\nConnection: close\nX-CGI-x: y\n\nhello";
        let (address, _) = canned(head, 0, ProtocolStatus::RequestComplete).await;
        let response = ask(&upstream(&address), get("/")).await;
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers().get_all("set-cookie").iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(response.headers().len(), 2);
    });
}
