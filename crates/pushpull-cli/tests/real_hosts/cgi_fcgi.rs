//! `cgi-fcgi`, the FastCGI client of the specification's authors. Its responses stay small: if a record's header
//! arrives in two reads, it misreads the next byte (libfcgi 2.4.2), so it corrupts long responses.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::thread;

use super::pattern::{Checked, write};
use super::responder::Responder;
use pushpull_testing::needed::{place, there};

/// Sends one request, and returns the CGI response up to and after its blank line.
fn ask(responder: &Responder, method: &str, query: &str, length: u64) -> (String, Vec<u8>) {
    let mut child = Command::new(place("cgi-fcgi").unwrap())
        .args(["-bind", "-connect", &responder.address])
        .env_clear()
        .envs([("REQUEST_METHOD", method), ("QUERY_STRING", query), ("SERVER_PROTOCOL", "HTTP/1.1")])
        .envs([("GATEWAY_INTERFACE", "CGI/1.1"), ("SCRIPT_NAME", "/app"), ("REQUEST_URI", "/app")])
        .envs([("SERVER_NAME", "localhost"), ("SERVER_PORT", "80"), ("REMOTE_ADDR", "127.0.0.1")])
        .env("CONTENT_LENGTH", length.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sending = thread::spawn(move || write(&mut stdin, length).and_then(|()| stdin.flush()));
    let mut response = child.wait_with_output().unwrap().stdout;
    sending.join().unwrap().unwrap();
    let end = response.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let body = response.split_off(end);
    (String::from_utf8(response).unwrap(), body)
}

#[test]
fn bodies_both_ways() {
    if !there(&["cgi-fcgi"]) {
        return;
    }
    for responder in [Responder::app("fastcgi", "push"), Responder::app("fastcgi", "pull"), Responder::serve("fastcgi")]
    {
        let (head, body) = ask(&responder, "GET", "case=hello", 0);
        assert!(head.starts_with("Status: 200 OK\r\n"), "{head}");
        assert_eq!(body, b"hello\n");
        let (_, body) = ask(&responder, "POST", "case=in", 3_000_000);
        assert_eq!(body, b"3000000\n");
        let (_, body) = ask(&responder, "GET", "case=out&size=5000", 0);
        let mut checked = Checked::default();
        io::copy(&mut &body[..], &mut checked).unwrap();
        assert_eq!(checked.bytes(), 5000);
        let (_, body) = ask(&responder, "POST", "case=echo", 3000);
        assert_eq!(body.len(), 3000);
        let (head, _) = ask(&responder, "GET", "case=early", 0);
        assert!(head.starts_with("Status: 50"), "{head}");
    }
}
