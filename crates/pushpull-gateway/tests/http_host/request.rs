//! Requirements 1 to 6: which requests are valid, and which variables an app receives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::BodyExt;
use pushpull::Local;
use pushpull_gateway::host::http::ClientLimits;
use pushpull_gateway::{push_fn, service};

use super::host::Host;
use pushpull_testing::http2::{ask, get, talk};
use pushpull_testing::wire::{Wire, exchange};

/// A host of an app that answers with its variables, and the number of its responses.
fn telling() -> (Host, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let host = Host::start(ClientLimits::new(), move || {
        let runs = counted.clone();
        service(
            Local::new(),
            push_fn(move |_inp, out, _err, env| {
                runs.fetch_add(1, Ordering::SeqCst);
                out.write_all(b"Content-Type: text/plain\n\n")?;
                for (name, value) in env.iter() {
                    out.write_all(&[name, b"=", value, b"\n"].concat())?;
                }
                Ok(())
            }),
        )
    });
    (host, runs)
}

fn variable(said: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(said).into_owned();
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

#[test]
fn requirement_1_an_invalid_request_never_reaches_a_program() {
    let (host, runs) = telling();
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /% HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/3.7\r\nHost: a\r\n\r\n", 400),
        ("\x16\x03\x01\x02\r\n\r\n", 400),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a?b# HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http://a/#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /# HTTP/1.0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            501,
        ),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nab", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nab", 400),
    ] {
        let mut wire = Wire::connect(host.address);
        let head = wire.send(request).until("\r\n\r\n");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?} got {head:?}");
    }
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    assert!(host.said.troubles().iter().any(|line| line.contains("invalid")), "{:?}", host.said.troubles());
}

#[test]
fn requirement_17_a_fragment_is_refused_in_any_request_but_not_in_a_body() {
    let (host, runs) = telling();
    let mut wire = Wire::connect(host.address);
    let body = "GET /a#b HTTP/1.1\r\nHost: #\r\n\r\n";
    wire.send(format!("POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    wire.send(format!(
        "POST /two HTTP/1.1\r\nHost: a\r\nX: #\r\nTransfer-Encoding: chunked\r\n\r\n{:x};#\r\n{body}\r\n0\r\n\r\n",
        body.len()
    ));
    wire.send("GET /three#four HTTP/1.1\r\nHost: a\r\n\r\n");
    let text = String::from_utf8(wire.rest().text).unwrap();
    for part in ["PATH_INFO=/one\n", "PATH_INFO=/two\n", "HTTP_X=#\n", "HTTP/1.1 400 Bad Request\r\n"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[test]
fn requirement_17_a_body_is_passed_on_unchanged_whatever_it_holds() {
    let host = Host::start(ClientLimits::new(), || {
        service(
            Local::new(),
            push_fn(|inp, out, _err, _env| {
                out.write_all(b"Content-Type: text/plain\n\n")?;
                std::io::copy(inp, out).map(drop)
            }),
        )
    });
    let body = "GET /a#b HTTP/1.1\r\n#\r\n\r\n".repeat(1000);
    let mut wire = Wire::connect(host.address);
    for piece in [10, 1000] {
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
        for piece in body.as_bytes().chunks(piece) {
            wire.send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
        }
        assert_eq!(wire.send("0\r\n\r\n").rest().chunks(), (body.clone().into_bytes(), true));
        wire = Wire::connect(host.address);
    }
}

#[test]
fn requirement_17_the_server_answers_options_asterisk() {
    let (host, runs) = telling();
    let mut wire = Wire::connect(host.address);
    for _ in 0..2 {
        let head = wire.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("content-length: 0\r\n"), "{head}");
    }
    let got = exchange(host.address, "OPTIONS * HTTP/1.0\r\n\r\n");
    assert_eq!((got.status(), got.body()), (200, &b""[..]));
    let answer = talk(host.address, async |mut sender| {
        let mut request = get("/");
        *request.method_mut() = http::Method::OPTIONS;
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("*"));
        *request.uri_mut() = http::Uri::from_parts(parts).unwrap();
        let response = ask(&mut sender, request).await;
        (response.status().as_u16(), response.into_body().collect().await.unwrap().to_bytes())
    });
    assert_eq!(answer, (200, "".into()));
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    // A request for a program is not answered by the server.
    assert_eq!(exchange(host.address, "OPTIONS / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").status(), 200);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert_eq!(host.said.records(5)[0].to_string().split(' ').nth(2), Some("*"));
}

#[test]
fn requirement_1_the_variables_are_those_of_the_connection() {
    let (host, _) = telling();
    let mut wire = Wire::connect(host.address);
    let own = wire.0.local_addr().unwrap();
    wire.send("GET /a%20b?c=%41 HTTP/1.1\r\nHost: name.example:81\r\nConnection: close\r\n\r\n");
    let said = wire.rest().chunks().0;
    for (name, value) in [
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "name.example"),
        ("SERVER_PORT", &host.address.port().to_string()),
        ("HTTP_HOST", "name.example:81"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REMOTE_PORT", &own.port().to_string()),
        ("REQUEST_URI", "/a%20b?c=%41"),
        ("PATH_INFO", "/a b"),
        ("QUERY_STRING", "c=%41"),
        ("SCRIPT_NAME", ""),
    ] {
        assert_eq!(variable(&said, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(variable(&said, "CONTENT_LENGTH"), None);
    assert_eq!(variable(&said, "HTTP_CONNECTION"), None);
}

#[test]
fn requirement_1_a_host_in_the_target_overrides_the_field() {
    let (host, _) = telling();
    let got = exchange(
        host.address,
        "GET http://other.example/a?b HTTP/1.1\r\nHost: name.example\r\nConnection: close\r\n\r\n",
    );
    let said = got.chunks().0;
    assert_eq!(variable(&said, "SERVER_NAME").as_deref(), Some("other.example"));
    assert_eq!(variable(&said, "HTTP_HOST").as_deref(), Some("other.example"));
    assert_eq!(variable(&said, "PATH_INFO").as_deref(), Some("/a"));
    assert_eq!(variable(&said, "REQUEST_URI").as_deref(), Some("/a?b"));
}

#[test]
fn requirement_1_the_authority_of_http_2_serves_as_host() {
    let (host, _) = telling();
    let said = talk(host.address, async |mut sender| {
        let response = ask(&mut sender, get("/a?b")).await;
        response.into_body().collect().await.unwrap().to_bytes()
    });
    assert_eq!(variable(&said, "SERVER_PROTOCOL").as_deref(), Some("HTTP/2.0"));
    assert_eq!(variable(&said, "HTTP_HOST").as_deref(), Some("name.example:81"));
    assert_eq!(variable(&said, "SERVER_NAME").as_deref(), Some("name.example"));
    assert_eq!(variable(&said, "SERVER_PORT"), Some(host.address.port().to_string()));
    assert_eq!(variable(&said, "REMOTE_ADDR").as_deref(), Some("127.0.0.1"));
}

#[test]
fn requirement_2_paths_that_could_trick_a_program_are_refused() {
    let (host, runs) = telling();
    for path in ["/..", "/a/../b", "/.", "/%2e%2e/", "/a%2Fb", "/a%2fb", "/a%00b", "/./a"] {
        let got = exchange(host.address, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        assert_eq!(got.status(), 400, "{path}");
    }
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}

#[test]
fn requirement_5_fields_that_could_pose_as_others_are_dropped() {
    let (host, _) = telling();
    let got = exchange(
        host.address,
        b"GET / HTTP/1.1\r\nHost: a\r\nProxy: evil\r\nX_Under: b\r\nX-Under: c\r\nX-Latin: caf\xe9\r\n\
          Authorization: Basic eA==\r\nTE: trailers\r\nConnection: close\r\n\r\n",
    );
    let said = got.chunks().0;
    assert_eq!(variable(&said, "HTTP_PROXY"), None);
    assert_eq!(variable(&said, "HTTP_X_UNDER").as_deref(), Some("c"));
    assert_eq!(variable(&said, "HTTP_AUTHORIZATION"), None);
    assert_eq!(variable(&said, "HTTP_TE"), None);
    assert!(said.windows(5).any(|window| window == b"caf\xe9\n"));
}

#[test]
fn requirement_6_a_head_over_64_kib_is_431() {
    let (host, runs) = telling();
    let with = |len: usize| {
        let value = "x".repeat(8000);
        let fields: String = (0..len / 8000).map(|n| format!("X-{n}: {value}\r\n")).collect();
        exchange(host.address, format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n"))
    };
    assert_eq!(with(56_000).status(), 200);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    // The response arrives although most of the head is never read.
    for len in [80_000, 4_000_000] {
        assert_eq!(with(len).status(), 431, "{len}");
    }
    let status = talk(host.address, async |mut sender| {
        let mut request = get("/");
        for n in 0..10 {
            let name = http::HeaderName::try_from(format!("x-{n}")).unwrap();
            request.headers_mut().insert(name, "x".repeat(8000).try_into().unwrap());
        }
        ask(&mut sender, request).await.status()
    });
    assert_eq!(status, 431);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}
