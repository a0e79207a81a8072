//! The same program over each protocol.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use bytes::BytesMut;
use pushpull_gateway::fastcgi::{
    Decoder, ProtocolStatus, Record, Records, Role, Stream, begin_request, put_pair, records,
};

use super::host::{Scripts, Serving};

/// Returns the output of a FastCGI request.
pub fn fastcgi(stream: impl Read + Write, pairs: &[(&str, &str)]) -> String {
    let (output, is_whole) = fastcgi_outcome(stream, pairs);
    assert!(is_whole, "{output}");
    output
}

/// Returns the output of a FastCGI request, and whether it ended with END_REQUEST.
pub fn fastcgi_outcome(mut stream: impl Read + Write, pairs: &[(&str, &str)]) -> (String, bool) {
    let mut text = Vec::new();
    pairs.iter().for_each(|(name, value)| put_pair(&mut text, name.as_bytes(), value.as_bytes()));
    let mut bytes = begin_request(1, Role::Responder, false).to_vec();
    records(Stream::Params, 1, text.into()).put(&mut bytes);
    bytes.extend(Records::end(Stream::Params, 1));
    bytes.extend(Records::end(Stream::Stdin, 1));
    stream.write_all(&bytes).unwrap();
    let (mut got, mut output) = (Vec::new(), Vec::new());
    // A truncated response resets the connection.
    let _ = stream.read_to_end(&mut got);
    let mut is_whole = false;
    let (mut decoder, mut buffer) = (Decoder::new(), BytesMut::from(&got[..]));
    while let Some(record) = decoder.decode(&mut buffer).unwrap() {
        match record {
            Record::Stream { stream: Stream::Stdout, content, .. } => output.extend(content),
            Record::End { app_status: 0, status: Some(ProtocolStatus::RequestComplete), .. } => is_whole = true,
            _ => {}
        }
    }
    (String::from_utf8(output).unwrap(), is_whole)
}

#[test]
fn requirement_23_a_fastcgi_request_cannot_choose_the_program() {
    let scripts = Scripts::new();
    let program =
        scripts.sh("hello", "printf 'Content-Type: text/plain\\n\\n%s %s' \"$SCRIPT_NAME\" \"$SCRIPT_FILENAME\"");
    let serving = Serving::start(&["--protocol", "fastcgi", "--", &program]);
    let pairs = [("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", "/a"), ("SCRIPT_FILENAME", "/bin/false")];
    let output = fastcgi(TcpStream::connect(serving.address).unwrap(), &pairs);
    assert!(output.ends_with("\r\n\r\n/a "), "{output}");
    serving.requests.wait_for(" done", 1);
}

#[test]
fn requirement_22_a_program_is_served_over_scgi() {
    let scripts = Scripts::new();
    let serving = Serving::start(&[
        "--protocol",
        "scgi",
        "--",
        &scripts.sh("hello", "printf 'Content-Type: text/plain\\n\\nhello'"),
    ]);
    let mut stream = TcpStream::connect(serving.address).unwrap();
    let text = "CONTENT_LENGTH\x000\0SCGI\x001\0REQUEST_METHOD\0GET\0";
    write!(stream, "{}:{text},", text.len()).unwrap();
    let mut output = String::new();
    stream.read_to_string(&mut output).unwrap();
    assert!(output.starts_with("Status: 200 OK\r\n") && output.ends_with("\r\n\r\nhello"), "{output}");
}

#[test]
fn requirement_23_each_protocol_is_served_on_a_unix_socket_which_is_removed_at_exit() {
    let scripts = Scripts::new();
    let program = scripts.sh("hello", "printf 'Content-Type: text/plain\\n\\nhello'");
    let path = scripts.path().join("socket");
    let listen = format!("unix:{}", path.display());
    for protocol in ["http", "fastcgi"] {
        let mut serving = Serving::start_on(&listen, &["--protocol", protocol, "--", &program], protocol);
        let mut stream = UnixStream::connect(&path).unwrap();
        let output = if protocol == "http" {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
            let mut output = String::new();
            stream.read_to_string(&mut output).unwrap();
            drop(stream);
            output
        } else {
            fastcgi(stream, &[("REQUEST_METHOD", "GET")])
        };
        assert!(output.contains("hello"), "{output}");
        serving.signal("TERM");
        assert_eq!(serving.wait().code(), Some(0));
        assert!(!path.exists(), "the socket is left over");
    }
}

#[test]
fn requirement_23_tcp_beyond_loopback_warns() {
    let scripts = Scripts::new();
    let program = scripts.sh("hello", "printf 'A: b\\n\\n'");
    let serving = Serving::start_on("0.0.0.0:0", &["--protocol", "fastcgi", "--", &program], "0.0.0.0");
    serving.troubles.wait_for("listen on loopback or a Unix socket", 1);
}
