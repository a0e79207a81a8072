//! Requirement 17: system calls that fail under load. Each request is answered rightly, refused, or visibly cut; the
//! server goes on, and keeps nothing.
//!
//! `strace` makes the calls fail.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use pushpull_testing::needed::{cannot, there};
use pushpull_testing::wire::{Got, exchange};
use tempfile::tempdir;

use super::files::fill;
use super::host::{DEADLINE, Made, Scripts, Serving, signal};

/// The system calls, and the error that each third one of a thread returns.
const FAULTS: [(&str, &[&str]); 22] = [
    // Connections.
    ("accept4", &["EMFILE", "ENOBUFS", "ECONNABORTED", "EPERM"]),
    ("epoll_ctl", &["ENOSPC"]),
    ("setsockopt", &["ENOBUFS"]),
    ("getsockname", &["ENOBUFS"]),
    ("recvfrom", &["ECONNRESET"]),
    ("writev", &["EPIPE", "ENOBUFS"]),
    // Files.
    ("openat2", &["EMFILE", "EAGAIN", "EIO"]),
    ("statx", &["EIO"]),
    ("newfstatat", &["EIO"]),
    ("getdents64", &["EIO"]),
    ("preadv2", &["EIO", "EOPNOTSUPP"]),
    ("sendfile", &["EIO", "EINVAL"]),
    // Bodies that are kept.
    ("openat", &["EMFILE", "ENOSPC"]),
    ("memfd_create", &["EMFILE", "ENOSYS"]),
    ("pwrite64", &["ENOSPC", "EIO"]),
    ("lseek", &["EIO"]),
    // Programs and threads.
    ("pipe2", &["EMFILE"]),
    ("clone3", &["EAGAIN"]),
    ("chdir", &["EACCES"]),
    ("dup2", &["EMFILE"]),
    ("pidfd_open", &["EMFILE", "ENOSYS"]),
    ("waitid", &["ECHILD"]),
];

/// The length of a response that takes many writes, and of a request that is kept in a file.
const LONG: usize = 300_000;

/// How often each of the four clients sends each request while a call fails.
const ROUNDS: usize = 3;

/// A request, and the body of its response.
struct Case {
    request: Vec<u8>,
    body: Vec<u8>,
}

impl Case {
    fn new(method: &str, target: &str, sent: &[u8], body: &[u8]) -> Case {
        let length = sent.len();
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        Case { request: [head.as_bytes(), sent].concat(), body: body.to_vec() }
    }

    /// Returns `true` if the response is right, and `false` if it is an error or visibly cut.
    fn succeeds(&self, address: SocketAddr) -> bool {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // The server may answer before it has read all, and close.
        let _ = stream.write_all(&self.request);
        let mut text = Vec::new();
        let error = stream.read_to_end(&mut text).err().map(|error| error.kind());
        assert_ne!(error, Some(std::io::ErrorKind::WouldBlock), "no answer: {}", text.escape_ascii());
        if !text.windows(4).any(|window| window == b"\r\n\r\n") {
            return false;
        }
        let got = Got { text, error };
        let (body, is_whole) = got.chunks();
        match got.status() {
            200 if is_whole => assert!(body == self.body, "wrong, and looks whole: {} bytes", body.len()),
            200 => assert!(self.body.starts_with(&body), "wrong before it is cut"),
            status => assert!((400..600).contains(&status), "{status}"),
        }
        got.status() == 200 && is_whole
    }
}

/// A tracer that makes system calls of a running server fail.
struct Tracer(Child);

impl Tracer {
    /// Attaches to the server. Returns `None` if that is not allowed.
    fn attach(server: i32, call: &str, error: &str, log: &str) -> Option<Tracer> {
        let inject = format!("inject={call}:error={error}:when=1+3");
        // Not to the programs: what they do with a failing call is theirs.
        let options = ["-f", "--detach-on=execve", "-o", log, "-e", &format!("trace={call}"), "-e", &inject];
        let mut command = Command::new("strace");
        command.args(options).args(["-p", &server.to_string()]).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
        if said.contains(" attached") {
            return Some(Tracer(child));
        }
        let _ = child.wait();
        cannot(&said);
        None
    }

    /// Detaches. Afterwards no call fails.
    fn detach(mut self) {
        signal(self.0.id().try_into().unwrap(), "TERM");
        self.0.wait().unwrap();
    }
}

#[test]
fn requirement_17_a_system_call_that_fails_ends_its_own_request() {
    if !there(&["strace"]) {
        return;
    }
    let (root, logs, scripts) = (tempdir().unwrap(), tempdir().unwrap(), Scripts::new());
    let long = "x".repeat(LONG);
    fill(root.path(), &[("short.txt", "short"), ("long.txt", &long)]);
    let program = scripts.sh("count", "printf 'Content-Type: text/plain\\n\\n'; cat");
    let serving = Serving::start(&["--root", root.path().to_str().unwrap(), "--listing", "--", &program]);
    let long = long.as_bytes();
    let listing = exchange(serving.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").chunks();
    assert!(listing.1);
    let cases = [
        Case::new("GET", "/", b"", &listing.0),
        Case::new("GET", "/short.txt", b"", b"short"),
        Case::new("GET", "/long.txt", b"", long),
        Case::new("POST", "/program", b"few", b"few"),
        Case::new("POST", "/program", long, long),
    ];
    let serve = |rounds: usize| -> usize {
        let client = || (0..rounds).flat_map(|_| &cases).filter(|case| case.succeeds(serving.address)).count();
        thread::scope(|scope| {
            (0..4)
                .map(|_| scope.spawn(client))
                .collect::<Vec<_>>()
                .into_iter()
                .map(|client| client.join().unwrap())
                .sum()
        })
    };
    let all = 4 * cases.len();
    assert_eq!(serve(1), all);
    let before = Made::at_rest(&serving);
    for (call, error) in FAULTS.iter().flat_map(|(call, errors)| errors.iter().map(move |error| (call, error))) {
        let log = logs.path().join(format!("{call}-{error}"));
        let Some(tracer) = Tracer::attach(serving.id(), call, error, log.to_str().unwrap()) else { return };
        let served = serve(ROUNDS);
        tracer.detach();
        let failed = fs::read_to_string(log).unwrap().matches("(INJECTED)").count();
        println!("{call} {error}: failed {failed} times, {served} of {} requests served", ROUNDS * all);
        assert!(failed > 0, "{call} did not fail");
        assert!(served > 0, "{call}: {error}: no request was served");
        assert_eq!(serve(1), all, "after {call}: {error}");
    }
    before.regained(&serving);
}
