//! The variables that a program receives, or why it is not run.

use std::io::Write;

use http::Request;
use pushpull::Local;
use pushpull_gateway::{Authenticated, Body, Connection, Mount, Service, push_fn, service};

use super::client::{Answer, ask, block_on, collect};

/// An app that answers with its meta-variables, one per line.
fn env_app() -> impl pushpull_gateway::PushApp {
    push_fn(|_inp, out, _err, env| {
        out.write_all(b"Content-Type: text/plain\n\n")?;
        for (name, value) in env.iter() {
            writeln!(out, "{}={}", name.escape_ascii(), value.escape_ascii())?;
        }
        Ok(())
    })
}

fn tell(request: Request<Body>, mount: &str) -> Answer {
    let mut service =
        service(Local::new(), env_app()).mount(Mount::at(mount).unwrap().pass_authorization(mount == "/auth"));
    block_on(async { collect(ask(&mut service, request).await).await })
}

fn get(uri: &str) -> http::request::Builder {
    Request::get(uri)
}

fn told(answer: &Answer, name: &str) -> Option<String> {
    answer.text().lines().find_map(|line| line.strip_prefix(&format!("{name}=")).map(str::to_owned))
}

#[test]
fn requirement_1_every_variable_is_set() {
    let request = get("/a%20b/c?x=%41")
        .header("host", "example.test:81")
        .extension(Connection::new("[::ffff:192.0.2.1]:1000".parse().unwrap(), "127.0.0.1:8080".parse().unwrap()))
        .body(Body::empty())
        .unwrap();
    let answer = tell(request, "/");
    let software = format!("pushpull/{}", env!("CARGO_PKG_VERSION"));
    for (name, value) in [
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("PATH_INFO", "/a b/c"),
        ("REQUEST_URI", "/a%20b/c?x=%41"),
        ("REMOTE_PORT", "1000"),
        ("QUERY_STRING", "x=%41"),
        ("REMOTE_ADDR", "192.0.2.1"),
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", ""),
        ("SERVER_NAME", "example.test"),
        ("SERVER_PORT", "8080"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_SOFTWARE", &software),
        ("HTTP_HOST", "example.test:81"),
    ] {
        assert_eq!(told(&answer, name).as_deref(), Some(value), "{name}");
    }
    for absent in ["PATH_TRANSLATED", "CONTENT_LENGTH", "CONTENT_TYPE", "AUTH_TYPE", "REMOTE_USER"] {
        assert_eq!(told(&answer, absent), None, "{absent}");
    }
}

#[test]
fn requirement_1_the_authority_is_the_host() {
    let request = get("https://[2001:db8::1]:444/").version(http::Version::HTTP_2).body(Body::empty()).unwrap();
    let answer = tell(request, "/");
    for (name, value) in [
        ("SERVER_NAME", "[2001:db8::1]"),
        ("SERVER_PORT", "444"),
        ("HTTP_HOST", "[2001:db8::1]:444"),
        ("SERVER_PROTOCOL", "HTTP/2.0"),
    ] {
        assert_eq!(told(&answer, name).as_deref(), Some(value), "{name}");
    }
    let answer = tell(get("/").version(http::Version::HTTP_10).body(Body::empty()).unwrap(), "/");
    assert_eq!(told(&answer, "SERVER_NAME").as_deref(), Some("localhost"));
}

#[test]
fn requirement_1_a_bad_request_runs_no_program() {
    let host = || get("/").header("host", "a");
    for (request, status) in [
        (get("/"), 400),
        (host().header("host", "b"), 400),
        (get("/").header("host", "a b"), 400),
        (get("/").header("host", "user@a"), 400),
        (get("/").header("host", ""), 400),
        (get("/").header("host", "a:b"), 400),
        (get("/").header("host", "a:99999"), 400),
        (get("/").header("host", "a/b"), 400),
        (get("/%zz").header("host", "a"), 400),
        (get("/%00").header("host", "a"), 400),
        (get("/a/..%2fb").header("host", "a"), 400),
        (get("/a/../b").header("host", "a"), 400),
        (host().header("transfer-encoding", "gzip, chunked"), 501),
        (host().header("transfer-encoding", "chunked").header("transfer-encoding", "chunked"), 501),
        (host().header("transfer-encoding", "Chunked"), 200),
    ] {
        let request = request.body(Body::empty()).unwrap();
        let about = format!("{request:?}");
        assert_eq!(tell(request, "/").status.as_u16(), status, "{about}");
    }
}

#[test]
fn requirement_2_the_path_is_split_at_the_mount() {
    let at = |path: &str| tell(get(&format!("http://a{path}")).body(Body::empty()).unwrap(), "/app");
    let answer = at("/app/x//y");
    assert_eq!(told(&answer, "SCRIPT_NAME").as_deref(), Some("/app"));
    assert_eq!(told(&answer, "PATH_INFO").as_deref(), Some("/x//y"));
    assert_eq!(told(&answer, "REQUEST_URI").as_deref(), Some("/app/x//y"));
    assert_eq!(told(&at("/app"), "PATH_INFO").as_deref(), Some(""));
    assert_eq!(told(&at("/%61pp/z"), "PATH_INFO").as_deref(), Some("/z"));
    assert_eq!(at("/apple").status.as_u16(), 404);
    assert_eq!(at("/").status.as_u16(), 404);
}

#[test]
fn requirement_3_the_content_length_is_that_of_the_body() {
    let length = |request: Request<Body>| told(&tell(request, "/"), "CONTENT_LENGTH");
    let post = || Request::post("http://a/").header("content-type", "text/x");
    assert_eq!(length(post().body(Body::from("four")).unwrap()).as_deref(), Some("4"));
    assert_eq!(length(post().body(Body::empty()).unwrap()), None);
    assert_eq!(length(post().header("content-length", "0").body(Body::empty()).unwrap()).as_deref(), Some("0"));
    let (_sender, pieces) = super::client::pieces();
    assert_eq!(length(post().body(Body::new(pieces)).unwrap()), None);
    assert_eq!(told(&tell(post().body(Body::empty()).unwrap(), "/"), "CONTENT_TYPE").as_deref(), Some("text/x"));
}

#[test]
fn requirement_4_fields_are_joined_or_withheld() {
    let request = get("http://a/")
        .header("x-many", "1")
        .header("x-many", "2")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("authorization", "Basic x")
        .header("content-length", "0")
        .header("te", "trailers")
        .header("trailer", "x")
        .header("upgrade", "h2c")
        .header("connection", "upgrade")
        .header("keep-alive", "1")
        .header("expect", "100-continue")
        .header("proxy-authorization", "Basic x");
    let answer = tell(request.body(Body::empty()).unwrap(), "/");
    assert_eq!(told(&answer, "HTTP_X_MANY").as_deref(), Some("1, 2"));
    assert_eq!(told(&answer, "HTTP_COOKIE").as_deref(), Some("a=1; b=2"));
    let fields: Vec<_> = answer.text().lines().filter(|line| line.starts_with("HTTP_")).collect();
    assert_eq!(fields, ["HTTP_HOST=a", "HTTP_X_MANY=1, 2", "HTTP_COOKIE=a=1; b=2"]);
    let request = get("http://a/auth").header("authorization", "Basic x").body(Body::empty()).unwrap();
    assert_eq!(told(&tell(request, "/auth"), "HTTP_AUTHORIZATION").as_deref(), Some("Basic x"));
    let user = Authenticated { scheme: "Basic".into(), user: "mar\u{ed}a".into() };
    let answer = tell(get("http://a/").extension(user).body(Body::empty()).unwrap(), "/");
    assert_eq!(told(&answer, "AUTH_TYPE").as_deref(), Some("Basic"));
    assert_eq!(told(&answer, "REMOTE_USER").as_deref(), Some("mar\\xc3\\xada"));
}

#[test]
fn requirement_5_names_that_collide_are_dropped_and_values_are_bytes() {
    let request = get("http://a/")
        .header("proxy", "http://evil/")
        .header("x_under", "1")
        .header("x.dot", "1")
        .header("x-latin", http::HeaderValue::from_bytes(b"caf\xe9").unwrap());
    let answer = tell(request.body(Body::empty()).unwrap(), "/");
    let fields: Vec<_> = answer.text().lines().filter(|line| line.starts_with("HTTP_")).collect();
    assert_eq!(fields, ["HTTP_HOST=a", "HTTP_X_LATIN=caf\\xe9"]);
}

/// The type of a service can be named, and is `Send` if the app is.
#[test]
fn a_service_can_be_sent() {
    fn sent<S: Send + Sync + Clone>(_: S) {}
    let app = push_fn(|_inp, out, _err, _env| out.write_all(b"A: 1\n\n"));
    let service: Service<pushpull::Thread, _, pushpull_gateway::Push> = service(pushpull::Thread::new(), app);
    sent(service);
    let _ = std::io::sink().flush();
}
