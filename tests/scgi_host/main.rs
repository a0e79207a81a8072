//! The SCGI host, by bare sockets: requirements 18 to 24 of a gateway.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use proptest::prelude::*;
use pushpull::gateway::{PushApp, push_fn, service};
use pushpull::host::scgi::Server;
use pushpull::host::{Limits, Listener};
use pushpull::{Local, Thread};

#[path = "../support/front.rs"]
mod front;

use front::{DEADLINE, Host};

/// Echoes, and then does what the query says.
fn app() -> impl PushApp {
    push_fn(|inp, out, _err, env| {
        write!(out, "Content-Type: text/plain\n\n{}:", env.get_str("CONTENT_LENGTH").unwrap_or("none"))?;
        out.flush()?;
        io::copy(inp, out)?;
        match env.get_str("QUERY_STRING") {
            Some("fail") => Err(io::Error::other("out of paper")),
            _ => Ok(()),
        }
    })
}

fn tcp() -> Host {
    Host::start(Server::bind("127.0.0.1:0").unwrap(), || service(Local::new(), app()))
}

fn request(length: usize, extra: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("CONTENT_LENGTH\0{length}\0SCGI\x001\0");
    for (name, value) in [("REQUEST_METHOD", "POST"), ("REQUEST_URI", "/a")].iter().chain(extra) {
        write!(text, "{name}\0{value}\0").unwrap();
    }
    format!("{}:{text},", text.len()).into_bytes()
}

/// All of the answer, and whether it ended with a reset.
fn answer(mut stream: impl Read + Write, bytes: &[u8]) -> (String, bool) {
    stream.write_all(bytes).unwrap();
    let mut text = Vec::new();
    let ended = stream.read_to_end(&mut text);
    let is_reset = ended.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset);
    (String::from_utf8(text).unwrap(), is_reset)
}

fn connect(host: &Host) -> TcpStream {
    let stream = TcpStream::connect(host.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn goes_on(host: &Host) {
    let (text, is_reset) = answer(connect(host), &request(0, &[]));
    assert!(text.ends_with("\r\n\r\n0:") && !is_reset, "{text}");
}

#[test]
fn requirement_22_a_request_is_answered_over_tcp_and_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let unix = Host::start(Server::new(Listener::unix(&path).unwrap()).unwrap(), || service(Local::new(), app()));
    let host = tcp();
    let body = vec![b'x'; 300_000];
    for (length, expected) in [(0, "0:".to_owned()), (300_000, format!("300000:{}", "x".repeat(300_000)))] {
        let bytes = [request(length, &[]), body[..length].to_vec()].concat();
        for (text, is_reset) in [answer(connect(&host), &bytes), answer(UnixStream::connect(&path).unwrap(), &bytes)] {
            assert!(text.starts_with("Status: 200 OK\r\n") && text.ends_with(&format!("\r\n\r\n{expected}")));
            assert!(!is_reset);
        }
    }
    host.wait_for("POST /a HTTP/1.1 200 2 ");
    drop(unix);
    assert!(!path.exists(), "the socket is left over");
}

#[test]
fn requirement_15_a_failure_after_the_head_is_a_reset_over_tcp_and_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let _unix = Host::start(Server::new(Listener::unix(&path).unwrap()).unwrap(), || service(Local::new(), app()));
    let host = tcp();
    for body in ["", "four"] {
        let bytes = [request(body.len(), &[("QUERY_STRING", "fail")]), body.into()].concat();
        for (text, is_reset) in [answer(connect(&host), &bytes), answer(UnixStream::connect(&path).unwrap(), &bytes)] {
            assert!(text.ends_with(&format!("{}:{body}", body.len())), "{text}");
            assert!(is_reset);
        }
    }
    host.wait_for("POST /a: out of paper");
}

#[test]
fn requirement_14_a_vanished_front_server_ends_the_app() {
    let host = tcp();
    let mut stream = connect(&host);
    stream.write_all(&request(10, &[])).unwrap();
    stream.write_all(b"first").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    host.wait_for(" gone");
}

#[test]
fn requirement_22_what_is_no_head_is_told() {
    let host = tcp();
    let first = "CONTENT_LENGTH\x000\0";
    let bad = |text: String| format!("{}:{text},", text.len());
    for (text, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        (bad(format!("SCGI\x001\0{first}")), 400),
        (bad(first.to_owned()), 400),
        (bad(format!("{first}SCGI\x001\0A\x00b\0A\x00b\0")), 400),
        ("10000000:".to_owned(), 431),
    ] {
        let (answer, _) = answer(connect(&host), text.as_bytes());
        assert!(answer.starts_with(&format!("Status: {status} ")), "{text:?}: {answer}");
        host.wait_for(&format!("- - - HTTP/1.1 {status} "));
    }
    let pairs = [("REMOTE_ADDR", "192.0.2.7"), ("SCRIPT_NAME", "/a/../b")];
    assert!(answer(connect(&host), &request(0, &pairs)).0.starts_with("Status: 400 "));
    host.wait_for("192.0.2.7 POST /a HTTP/1.1 400 ");
    goes_on(&host);
}

#[test]
fn requirement_13_what_does_not_come_in_time_is_given_up() {
    let short = Duration::from_millis(100);
    let limits = Limits::new().head_time(short).body_idle(short);
    let server = Server::bind("127.0.0.1:0").unwrap().limits(limits);
    let host = Host::start(server, || service(Local::new(), app()));
    let (text, _) = answer(connect(&host), &request(4, &[])[..5]);
    assert_eq!(text, "");
    host.wait_for("a request that was begun did not come in time");
    // The app has begun to answer, and fails as it reads.
    let (text, is_reset) = answer(connect(&host), &[request(4, &[]), b"thr".to_vec()].concat());
    assert!(text.ends_with("4:thr") && is_reset, "{text}");
    host.wait_for("the request's body did not come");
    goes_on(&host);
}

#[test]
fn requirement_24_every_truncation_is_survived() {
    let host = tcp();
    let whole = [request(4, &[]), b"body".to_vec()].concat();
    for at in 0..whole.len() {
        connect(&host).write_all(&whole[..at]).unwrap();
    }
    host.wait_for("the connection ended within the head of a request");
    goes_on(&host);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn requirement_24_random_bytes_stop_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        thread_local!(static HOST: Host = tcp());
        HOST.with(|host| {
            let text = [format!("{}:", bytes.len()).as_bytes(), &bytes, b","].concat();
            for bytes in [&bytes, &text] {
                let _ = connect(host).write_all(bytes);
            }
            goes_on(host);
        });
    }
}

/// Room for more of a body can come at any moment, from the program's thread. No clock helps here.
#[test]
fn requirement_16_an_upload_never_waits_for_room_that_is_there() {
    const LENGTH: usize = 32 << 20;
    let never = Duration::MAX;
    let server = Server::bind("127.0.0.1:0").unwrap().limits(Limits::new().head_time(never).stall(never));
    let app = push_fn(|inp, out, _err, _env| {
        writeln!(out, "Content-Type: text/plain\n")?;
        out.flush()?;
        let read = io::copy(inp, &mut io::sink())?;
        write!(out, "{read}")
    });
    let app = std::sync::Arc::new(app);
    let host = Host::start(server, move || service(Thread::new(), app.clone()));
    let bytes = [request(LENGTH, &[]), vec![b'x'; LENGTH]].concat();
    for _ in 0..20 {
        let stream = connect(&host);
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        let (text, is_reset) = answer(stream, &bytes);
        assert!(text.ends_with(&format!("\r\n\r\n{LENGTH}")) && !is_reset, "{text}");
    }
}
