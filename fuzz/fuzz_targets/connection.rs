//! Arbitrary bytes on a connection of the HTTP, FastCGI and SCGI hosts, in two pieces. The connection ends, and the next
//! client gets its answer.

#![no_main]

use std::io::{self, Read, Write};
use std::net::Shutdown as Half;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pushpull::Local;
use pushpull_gateway::host::{Listener, Protocol, Server, Shutdown, fastcgi, http, scgi};
use pushpull_gateway::{ErrorStream, PushApp, push_fn, service};
use tempfile::TempDir;

/// A connection that has not ended by then hangs.
const DEADLINE: Duration = Duration::from_secs(20);

/// A client that comes after.
const NEXT: &[u8] = b"POST /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";

static SOCKETS: OnceLock<(TempDir, [PathBuf; 3])> = OnceLock::new();

/// Echoes what it gets, and fails if the query says so.
fn app() -> impl PushApp {
    push_fn(|inp, out, _err, env| {
        write!(out, "Content-Type: text/plain\n\n{}:", env.get_str("PATH_INFO").unwrap_or_default())?;
        io::copy(inp, out)?;
        if env.get("QUERY_STRING") == Some(b"fail") { Err(io::Error::other("asked to")) } else { Ok(()) }
    })
}

fn start<P: Protocol + Default + 'static>(path: PathBuf) -> PathBuf {
    let server = Server::<P>::new(Listener::unix(&path).expect("the directory is empty")).expect("it listens");
    let server = server.threads(1).error_log(ErrorStream::new(|_| ()));
    thread::spawn(move || server.run(|| service(Local::new(), app()), &Shutdown::new()));
    path
}

/// Sends bytes in two pieces, and the end if `is_all`. Returns what comes back.
fn exchange(socket: &PathBuf, bytes: &[u8], split: usize, is_all: bool) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).expect("the server is there");
    stream.set_read_timeout(Some(DEADLINE)).expect("it can be set");
    stream.set_write_timeout(Some(DEADLINE)).expect("it can be set");
    let (first, second) = bytes.split_at(split.min(bytes.len()));
    let mut answer = Vec::new();
    // A server that has answered may close before everything is sent.
    let sent = stream.write_all(first).and_then(|()| stream.write_all(second));
    if is_all {
        let _ = stream.shutdown(Half::Write);
    }
    let read = stream.read_to_end(&mut answer);
    for error in [sent.err(), read.err()].into_iter().flatten() {
        assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "the connection hangs");
    }
    answer
}

fuzz_target!(|data: &[u8]| {
    let (_, sockets) = SOCKETS.get_or_init(|| {
        let directory = TempDir::new().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let http = start::<http::Http>(path("http"));
        let fastcgi = start::<fastcgi::FastCgi>(path("fastcgi"));
        let sockets = [http, fastcgi, start::<scgi::Scgi>(path("scgi"))];
        (directory, sockets)
    });
    let [choice, split, bytes @ ..] = data else { return };
    let protocol = usize::from(*choice) % 3;
    let answer = exchange(&sockets[protocol], bytes, usize::from(*split), true);
    if protocol == 0 && !answer.is_empty() && !bytes.starts_with(b"PRI * HTTP/2") {
        assert!(answer.starts_with(b"HTTP/1."), "{}", answer.escape_ascii());
    }
    let next = exchange(&sockets[0], NEXT, 7, false);
    // The echo may come in chunks of its own.
    let text: Vec<u8> = next.iter().copied().filter(|byte| byte.is_ascii_alphabetic() || *byte == b':').collect();
    assert!(next.starts_with(b"HTTP/1.1 200 ") && text.ends_with(b"next:hi"), "{}", next.escape_ascii());
});
