//! Requirement 17: an unread log blocks neither requests nor the exit.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::pipe;

use super::host::{PUSHPULL, Scripts, signal, wait_until};

/// Creates a full pipe. Returns its reading end, which must not be read, and its writing end.
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

/// Returns the remaining output of a stream, if there is a stream.
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

/// Serves one request and stops the server. Returns what can be read of its streams.
fn serves_and_stops(stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> (String, String) {
    let scripts = Scripts::new();
    let program = scripts.sh("hello", "echo said >&2; printf 'Content-Type: text/plain\\n\\nhello'");
    let socket = scripts.path().join("socket");
    let listen = format!("unix:{}", socket.display());
    let mut command = Command::new(PUSHPULL);
    command.args(["serve", "--listen", &listen, "--", &program]).stdout(stdout).stderr(stderr);
    let mut child = Killed(command.spawn().unwrap());
    // The server prints its address first, which must not block it either.
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
fn requirement_17_an_unread_request_log_blocks_nothing_and_its_loss_is_reported() {
    let (_reader, stdout) = full_pipe();
    let (_, told) = serves_and_stops(stdout, Stdio::piped());
    // The other stream is not blocked.
    assert!(told.contains("said"), "{told}");
    // The line with the address, and the request.
    assert!(told.contains("lost the last 2 lines of the request log"), "{told}");
}

#[test]
fn requirement_17_two_unread_logs_block_nothing() {
    let (_reader, stdout) = full_pipe();
    let (_other, stderr) = full_pipe();
    serves_and_stops(stdout, stderr);
}

#[test]
fn requirement_17_an_unread_error_log_does_not_block_the_request_log() {
    let (_reader, stderr) = full_pipe();
    let (requests, _) = serves_and_stops(Stdio::piped(), stderr);
    assert!(requests.contains(" done"), "{requests}");
}
