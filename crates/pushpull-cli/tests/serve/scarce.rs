//! Requirement 17: if threads, descriptors or space run out, the request is answered with 503 or 507.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use pushpull_gateway::fastcgi::{ProtocolStatus, Record, Records, Role, Stream, begin_request, put_pair, records};

use super::host::{PUSHPULL, Scripts, Serving, wait_until};
use pushpull_testing::needed::{cannot, place, there};
use pushpull_testing::program;
use pushpull_testing::wire::{Wire, exchange};

/// Counts the bytes of a request body.
const COUNT: &str = "printf 'Content-Type: text/plain\\n\\n'; wc -c";

/// Sends a body of this length over a kept connection, and returns the status of the response.
fn post(wire: &mut Wire, length: usize) -> u16 {
    wire.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
    wire.send(vec![b'x'; length]);
    let head = wire.until("\r\n\r\n");
    match head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        Some(length) => wire.0.read_exact(&mut vec![0; length.parse().unwrap()]).unwrap(),
        None => drop(wire.until("\r\n0\r\n\r\n")),
    }
    head[9..12].parse().unwrap()
}

/// Returns the responses to a request without a body, with a body in memory, and with a body in a file.
fn answers(wire: &mut Wire) -> [u16; 3] {
    [0, 1000, 300_000].map(|length| post(wire, length))
}

/// Sets a limit of the server with `prlimit`. Returns `false` if that is not allowed.
fn limit(serving: &Serving, starter: &[&str], limit: &str) -> bool {
    let id = serving.id().to_string();
    let command = [starter, &["prlimit", "--pid", &id, limit]].concat();
    Command::new(command[0]).args(&command[1..]).stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn requirement_17_without_a_descriptor_a_request_is_a_503() {
    if !there(&["prlimit"]) {
        return;
    }
    let scripts = Scripts::new();
    let serving = Serving::start(&["--threads", "1", "--", &scripts.sh("count", COUNT)]);
    let mut wire = Wire::connect(serving.address);
    assert_eq!(answers(&mut wire), [200; 3]);
    wait_until("its programs are reaped", || serving.children().is_empty());
    let mut open = fs::read_dir(format!("/proc/{}/fd", serving.id())).unwrap();
    let mut numbers: Vec<u64> =
        open.by_ref().map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    let free =
        (0..).zip(&numbers).find(|(number, open)| number != *open).map_or(numbers.len() as u64, |(number, _)| number);
    // Set the hard limit too, which the server cannot raise.
    assert!(limit(&serving, &[], &format!("--nofile={free}:{free}")));
    assert_eq!(answers(&mut wire), [503; 3]);
    serving.troubles.wait_for("503 Service Unavailable: ", 3);
    // The server can only refuse this connection.
    assert_eq!(exchange(serving.address, "").status(), 503);
    serving.troubles.wait_for("cannot accept a connection", 1);
    // Only a privileged user can raise the hard limit again.
    if limit(&serving, &[], "--nofile=1000:1000") {
        assert_eq!(answers(&mut wire), [200; 3]);
    }
}

#[test]
fn requirement_17_programs_have_the_original_limits_of_the_server() {
    let scripts = Scripts::new();
    let program = scripts.sh("limit", "printf 'Content-Type: text/plain\\n\\n'; ulimit -Sn");
    let lowered = ["sh", "-c", "ulimit -Sn 64; exec \"$0\" \"$@\"", PUSHPULL];
    let serving = Serving::start_by(&lowered, &["--", &program], &[]);
    let ask = || exchange(serving.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").chunks();
    assert_eq!(ask(), (b"64\n".to_vec(), true));
    // More connections than the limit: all of them are served.
    let mut held: Vec<_> = (0..100).map(|_| Wire::connect(serving.address)).collect();
    for wire in &mut held {
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("64\n\r\n");
    }
    assert_eq!(ask(), (b"64\n".to_vec(), true));
}

#[test]
fn requirement_17_without_a_thread_or_a_process_a_request_is_a_503() {
    // Root has no limit of processes.
    let is_root = rustix::process::geteuid().is_root();
    if !there(if is_root { &["prlimit", "setpriv"] } else { &["prlimit"] }) {
        return;
    }
    let scripts = Scripts::new();
    fs::set_permissions(scripts.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = scripts.sh("count", COUNT);
    // The other user may have no access to the program's directory.
    let own = scripts.path().join("pushpull").into_os_string().into_string().unwrap();
    program::write(&own, fs::read(PUSHPULL).unwrap());
    let other: &[&str] =
        if is_root { &["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"] } else { &[] };
    let serving = Serving::start_by(&[other, &[&own]].concat(), &["--", &program], &[]);
    fs::set_permissions(serving.temporary(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut wire = Wire::connect(serving.address);
    assert_eq!([0, 1000].map(|length| post(&mut wire, length)), [200; 2]);
    assert!(limit(&serving, other, "--nproc=1:"));
    assert_eq!(answers(&mut wire), [503; 3]);
    serving.troubles.wait_for("503 Service Unavailable: ", 3);
    assert!(limit(&serving, other, "--nproc=1000:"));
    assert_eq!(answers(&mut wire), [200; 3]);
}

#[test]
fn requirement_17_a_body_beyond_the_limit_of_a_file_is_a_507() {
    if !there(&["prlimit"]) {
        return;
    }
    let scripts = Scripts::new();
    let serving = Serving::start(&["--", &scripts.sh("count", COUNT)]);
    let mut wire = Wire::connect(serving.address);
    assert!(limit(&serving, &[], "--fsize=100000:"));
    assert_eq!(answers(&mut wire), [200, 200, 507]);
    assert!(limit(&serving, &[], "--fsize=500:"));
    assert_eq!(answers(&mut wire), [200, 507, 507]);
    serving.troubles.wait_for("507 Insufficient Storage: the request's body cannot be kept", 3);
}

#[test]
fn requirement_17_a_full_disk_is_a_507() {
    if !there(&["unshare"]) {
        return;
    }
    let mount = "mount -t tmpfs -o size=64k tmpfs \"$TMPDIR\" && exec \"$0\" \"$@\"";
    let mounted = ["unshare", "-m", "sh", "-c", mount];
    let directory = tempfile::tempdir().unwrap();
    let mut tried = Command::new(mounted[0]);
    tried.args(&mounted[1..]).arg(place("true").unwrap()).env("TMPDIR", directory.path()).stderr(Stdio::null());
    if !tried.status().unwrap().success() {
        cannot("no file system may be mounted");
        return;
    }
    let scripts = Scripts::new();
    let serving = Serving::start_by(&[&mounted[..], &[PUSHPULL]].concat(), &["--", &scripts.sh("count", COUNT)], &[]);
    assert_eq!(answers(&mut Wire::connect(serving.address)), [200, 200, 507]);
}

#[test]
fn requirement_17_a_body_that_cannot_be_spooled_ends_only_its_own_request() {
    if !there(&["prlimit"]) {
        return;
    }
    let scripts = Scripts::new();
    // With a path, this program does not read its body. Without one, it ends after its body.
    let program = scripts.sh(
        "deaf",
        "[ -z \"$PATH_INFO\" ] || exec sleep 20; cat >/dev/null; printf 'Content-Type: text/plain\\n\\nhello'",
    );
    let serving = Serving::start(&["--protocol", "fastcgi", "--request-body", "stream", "--", &program]);
    assert!(limit(&serving, &[], "--fsize=10000:"));
    let mut stream = TcpStream::connect(serving.address).unwrap();
    let mut begin = |id: u16, path: &str, length: &str| {
        let mut text = Vec::new();
        for (name, value) in [("REQUEST_METHOD", "POST"), ("PATH_INFO", path), ("CONTENT_LENGTH", length)] {
            put_pair(&mut text, name.as_bytes(), value.as_bytes());
        }
        let mut bytes = begin_request(id, Role::Responder, true).to_vec();
        records(Stream::Params, id, text.into()).put(&mut bytes);
        bytes.extend(Records::end(Stream::Params, id));
        stream.write_all(&bytes).unwrap();
    };
    begin(1, "/deaf", "2000000");
    begin(2, "", "1");
    let mut bytes = Vec::new();
    records(Stream::Stdin, 1, vec![b'x'; 2_000_000].into()).put(&mut bytes);
    records(Stream::Stdin, 2, vec![b'y'].into()).put(&mut bytes);
    bytes.extend(Records::end(Stream::Stdin, 2));
    stream.write_all(&bytes).unwrap();
    let (mut decoder, mut buffer) = (pushpull_gateway::fastcgi::Decoder::new(), bytes::BytesMut::new());
    let mut ended = std::collections::BTreeMap::new();
    while ended.len() < 2 {
        match decoder.decode(&mut buffer).unwrap() {
            Some(Record::End { id, status, .. }) => drop(ended.insert(id, status)),
            Some(_) => {}
            None => {
                let mut block = [0; 4096];
                let read = stream.read(&mut block).unwrap();
                assert!(read > 0, "the connection was closed: {ended:?}");
                buffer.extend_from_slice(&block[..read]);
            }
        }
    }
    assert_eq!(ended[&1], Some(ProtocolStatus::Overloaded));
    assert_eq!(ended[&2], Some(ProtocolStatus::RequestComplete));
    serving.troubles.wait_for("cannot be stored", 1);
}
