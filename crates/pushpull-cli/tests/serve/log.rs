//! Requirement 17: a log that is not read holds neither requests nor the end.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::pipe;

use super::host::{PUSHPULL, Scripts, signal, wait_until};

/// A pipe that takes nothing more, and the end that nothing is read from.
fn full_pipe() -> (fs::File, OwnedFd) {
    let (reader, writer) = pipe().unwrap();
    let mut writer = fs::File::from(writer);
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    while writer.write(b"x").is_ok() {}
    fcntl_setfl(&writer, flags).unwrap();
    (reader.into(), writer.into())
}

/// All that comes of a stream, if it can be read.
fn rest(stream: Option<impl Read>) -> String {
    let mut text = String::new();
    if let Some(mut stream) = stream {
        stream.read_to_string(&mut text).unwrap();
    }
    text
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves one request and stops, and is waited for: both have to come about. Gives what can be read of its streams.
fn serves_and_stops(stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> (String, String) {
    let scripts = Scripts::new();
    let program = scripts.sh("hello", "echo said >&2; printf 'Content-Type: text/plain\\n\\nhello'");
    let socket = scripts.path().join("socket");
    let listen = format!("unix:{}", socket.display());
    let mut command = Command::new(PUSHPULL);
    command.args(["serve", "--listen", &listen, "--", &program]).stdout(stdout).stderr(stderr);
    let mut child = Killed(command.spawn().unwrap());
    // It says where it is, which does not hold it either.
    let mut connected = None;
    wait_until("it serves", || {
        connected = UnixStream::connect(&socket).ok();
        connected.is_some()
    });
    let mut stream = connected.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.contains("hello"), "{text}");
    signal(child.0.id().try_into().unwrap(), "TERM");
    wait_until("it stops", || child.0.try_wait().unwrap().is_some());
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    (rest(child.0.stdout.take()), rest(child.0.stderr.take()))
}

#[test]
fn requirement_17_a_log_of_requests_that_is_not_read_holds_nothing_and_its_loss_is_told() {
    let (_reader, stdout) = full_pipe();
    let (_, told) = serves_and_stops(stdout, Stdio::piped());
    // The other stream is not held.
    assert!(told.contains("said"), "{told}");
    // Its own beginning, and the request.
    assert!(told.contains("lost the last 2 lines of the request log"), "{told}");
}

#[test]
fn requirement_17_a_log_that_is_not_read_at_all_holds_nothing() {
    let (_reader, stdout) = full_pipe();
    let (_other, stderr) = full_pipe();
    serves_and_stops(stdout, stderr);
}

#[test]
fn requirement_17_messages_that_are_not_read_do_not_hold_the_log_of_requests() {
    let (_reader, stderr) = full_pipe();
    let (requests, _) = serves_and_stops(Stdio::piped(), stderr);
    assert!(requests.contains(" done"), "{requests}");
}
