//! The SCGI host, tested over bare sockets: requirements 18 to 24.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use pushpull::{Local, Thread};
use pushpull_gateway::host::scgi::Server;
use pushpull_gateway::host::{ClientLimits, Listener};
use pushpull_gateway::{Mount, PushApp, push_fn, service};
use socket2::{Domain, Socket, Type};

use crate::front::{DEADLINE, Host};

/// An app that echoes, and then does what the query says.
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

/// Returns the whole response, and whether it ended with a reset.
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
fn requirement_22_an_invalid_head_is_answered() {
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
fn requirement_13_an_incomplete_request_times_out() {
    let short = Duration::from_millis(100);
    let limits = ClientLimits::new().timeout_head(short).timeout_idle(short);
    let server = Server::bind("127.0.0.1:0").unwrap().limits(limits);
    let host = Host::start(server, || service(Local::new(), app()));
    let (text, _) = answer(connect(&host), &request(4, &[])[..5]);
    assert_eq!(text, "");
    host.wait_for("a request did not arrive completely in time");
    // The app has begun its response, and fails as it reads.
    let (text, is_reset) = answer(connect(&host), &[request(4, &[]), b"thr".to_vec()].concat());
    assert!(text.ends_with("4:thr") && is_reset, "{text}");
    host.wait_for("the request's body did not arrive in time");
    goes_on(&host);
}

/// Returns a request with these parameters and without a body.
fn bare(pairs: &[(&str, &[u8])]) -> Vec<u8> {
    let mut text = b"CONTENT_LENGTH\x000\0SCGI\x001\0".to_vec();
    for (name, value) in pairs {
        text.extend([name.as_bytes(), b"\0", value, b"\0"].concat());
    }
    [format!("{}:", text.len()).as_bytes(), &text, b","].concat()
}

#[test]
fn requirement_22_without_path_variables_the_path_is_that_of_the_target_and_bytes_are_passed_on() {
    let host = Host::start(Server::bind("127.0.0.1:0").unwrap().mount(Mount::at("/app").unwrap()), || {
        let app = push_fn(|_inp, out, _err, env| {
            out.write_all(b"Content-Type: text/plain\n\n")?;
            for name in ["SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI", "HTTP_A"] {
                out.write_all(&[env.get(name).unwrap_or(b"none"), b"|"].concat())?;
            }
            Ok(())
        });
        service(Local::new(), app)
    });
    let told = |target: &[u8], field: &[u8]| {
        let bytes = bare(&[("REQUEST_METHOD", b"GET"), ("REQUEST_URI", target), ("HTTP_A", field)]);
        let mut stream = connect(&host);
        stream.write_all(&bytes).unwrap();
        let mut text = Vec::new();
        stream.read_to_end(&mut text).unwrap();
        text
    };
    // As nginx sends it with its stock `scgi_params`.
    let text = told(b"/app/x%20y?q=1", b"b");
    assert!(text.ends_with(b"\r\n\r\n/app|/x y|q=1|/app/x%20y?q=1|b|"), "{}", text.escape_ascii());
    let text = told(b"/app/caf\xe9\"{?\xff", b"\xe9\x01");
    let expected = b"\r\n\r\n/app|/caf\xe9\"{|\xff|/app/caf\xe9\"{?\xff|\xe9\x01|";
    assert!(text.ends_with(expected), "{}", text.escape_ascii());
    host.wait_for("GET /app/caf%E9%22%7B?%FF HTTP/1.1 200 ");
    for bad in [&b"/app/../a"[..], b"/app/a%2Fb", b"/app/a#b"] {
        assert!(told(bad, b"").starts_with(b"Status: 400 "), "{}", bad.escape_ascii());
    }
}

#[test]
fn requirement_17_the_server_answers_options_asterisk_and_a_205_has_no_content() {
    let host = Host::start(Server::bind("127.0.0.1:0").unwrap(), || {
        service(Local::new(), push_fn(|_inp, out, _err, _env| out.write_all(b"Status: 205\n\nbody")))
    });
    let asked = bare(&[("REQUEST_METHOD", b"OPTIONS"), ("REQUEST_URI", b"*")]);
    let (text, is_reset) = answer(connect(&host), &asked);
    assert_eq!((&text[..], is_reset), ("Status: 200 OK\r\ncontent-length: 0\r\n\r\n", false));
    host.wait_for("OPTIONS * HTTP/1.1 200 0 ");
    let (text, is_reset) = answer(connect(&host), &bare(&[("REQUEST_METHOD", b"GET")]));
    assert_eq!((&text[..], is_reset), ("Status: 205 Reset Content\r\ncontent-length: 0\r\n\r\n", false));
}

#[test]
fn requirement_13_a_front_server_that_reads_little_but_steadily_is_not_cut() {
    let limit = Duration::from_secs(1);
    let limits = ClientLimits::new().timeout_client(limit).timeout_head(Duration::MAX);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let app = || {
        service(
            Local::new(),
            push_fn(|_inp, out, _err, _env| {
                out.write_all(b"Content-Type: text/plain\n\n")?;
                loop {
                    out.write_all(&[b'x'; 4096])?;
                }
            }),
        )
    };
    let server = Server::new(Listener::unix(&path).unwrap()).unwrap().limits(limits.clone());
    let unix = Host::start(server, app);
    let tcp = Host::start(Server::bind("127.0.0.1:0").unwrap().limits(limits), app);
    let slow = |mut stream: Box<dyn Duplex>| {
        stream.write_all(&bare(&[("REQUEST_METHOD", b"GET")])).unwrap();
        let (mut piece, began) = ([0; 4096], Instant::now());
        while began.elapsed() < limit * 3 {
            std::thread::sleep(limit / 20);
            stream.read_exact(&mut piece).unwrap();
        }
        stream
    };
    // In all, less than the third of the socket's buffer from which on it counts as writable.
    let narrow = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    narrow.set_recv_buffer_size(4096).unwrap();
    narrow.connect(&tcp.address.into()).unwrap();
    let _one = slow(Box::new(TcpStream::from(narrow)));
    let _other = slow(Box::new(UnixStream::connect(&path).unwrap()));
    // The clients have stopped reading, and are cut.
    for host in [tcp, unix] {
        host.wait_for("the front server does not read the response");
    }
}

trait Duplex: Read + Write {}

impl<S: Read + Write> Duplex for S {}

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

/// The program's thread can make room for more of a body at any moment. The timeouts are off, so that a lost wake
/// shows.
#[test]
fn requirement_16_an_upload_never_waits_for_room_that_is_there() {
    const LENGTH: usize = 32 << 20;
    let never = Duration::MAX;
    let server =
        Server::bind("127.0.0.1:0").unwrap().limits(ClientLimits::new().timeout_head(never).timeout_client(never));
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

#[test]
fn requirement_17_the_first_request_of_an_accepted_connection_is_answered() {
    let host = tcp();
    let fresh = connect(&host);
    // Its connection is accepted later.
    goes_on(&host);
    host.shutdown.begin();
    // Not a second for a packet that meets the close.
    let is_closed = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    while !TcpStream::connect_timeout(&host.address, Duration::from_millis(10)).is_err_and(|error| is_closed(&error)) {}
    let (text, is_reset) = answer(fresh, &request(0, &[]));
    assert!(text.ends_with("\r\n\r\n0:") && !is_reset, "{text}");
}
