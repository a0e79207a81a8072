//! Behind proxies and balancers.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use http_body_util::BodyExt;
use pushpull_testing::http2;
use pushpull_testing::wire::{Wire, exchange};

use super::front::fastcgi;
use super::host::{Scripts, Serving};

/// A program that tells what it knows of its client.
fn telling(scripts: &Scripts) -> String {
    let names = ["REMOTE_ADDR", "REMOTE_PORT", "HTTPS", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT"];
    let told = names.map(|name| format!("\"${name}\"")).join(" ");
    scripts.sh("tell", &format!("printf 'Content-Type: text/plain\\n\\n'; printf '%s|' {told}"))
}

fn get(serving: &Serving, fields: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: own:81\r\nConnection: close\r\n{fields}\r\n");
    String::from_utf8(exchange(serving.address, request).chunks().0).unwrap()
}

const X_FORWARDED: &str = "X-Forwarded-For: 198.51.100.1, 192.0.2.7, 127.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.example\r\n";

#[test]
fn a_trusted_proxy_says_who_the_client_is() {
    let scripts = Scripts::new();
    let serving = Serving::start(&["--trust-proxy", "127.0.0.0/8", "--", &telling(&scripts)]);
    assert_eq!(get(&serving, X_FORWARDED), "192.0.2.7||on|a.example|a.example|443|");
    serving.requests.wait_for(" 192.0.2.7 GET / HTTP/1.1 200 ", 1);
    // The other kind of field is not read.
    let own = format!("127.0.0.1|PORT||own:81|own|{}|", serving.address.port());
    let without_port = |text: String| {
        let port = text.split('|').nth(1).unwrap().to_owned();
        text.replacen(&format!("|{port}|"), "|PORT|", 1)
    };
    assert_eq!(without_port(get(&serving, "Forwarded: for=192.0.2.8;proto=https;host=b\r\n")), own);
    // An invalid field changes nothing, and is logged once.
    assert_eq!(without_port(get(&serving, "X-Forwarded-For: localhost\r\nX-Forwarded-Proto: https\r\n")), own);
    serving.troubles.wait_for("the field x-forwarded-for of a proxy is invalid", 1);
    // Over HTTP/2, the host is in the target.
    let told = http2::talk(serving.address, async |mut sender| {
        let mut request = http2::get("/");
        for (name, value) in [("x-forwarded-for", "[2001:db8::1]:99"), ("x-forwarded-host", "b.example:8443")] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        http2::ask(&mut sender, request).await.into_body().collect().await.unwrap().to_bytes()
    });
    assert_eq!(told, "2001:db8::1|99||b.example:8443|b.example|8443|");
}

#[test]
fn the_field_of_rfc_7239_is_read_on_request() {
    let scripts = Scripts::new();
    let options = ["--trust-proxy", "127.0.0.1", "--proxy-fields", "forwarded", "--", &telling(&scripts)];
    let serving = Serving::start(&options);
    let field = "Forwarded: for=\"[2001:db8::1]:77\";proto=https;host=\"a.example:444\", for=127.0.0.1;proto=http\r\n";
    assert_eq!(get(&serving, &format!("{X_FORWARDED}{field}")), "2001:db8::1|77|on|a.example:444|a.example|444|");
}

#[test]
fn other_peers_say_nothing_and_their_fields_pass() {
    let scripts = Scripts::new();
    let program = scripts.sh("tell", "printf 'A: b\\n\\n%s %s' \"$REMOTE_ADDR\" \"$HTTP_X_FORWARDED_FOR\"");
    for options in [&["--trust-proxy", "127.0.0.2", "--trust-proxy", "::1", "--"][..], &["--"]] {
        let serving = Serving::start(&[options, &[&program]].concat());
        assert_eq!(get(&serving, X_FORWARDED), "127.0.0.1 198.51.100.1, 192.0.2.7, 127.0.0.9");
        serving.requests.wait_for(" 127.0.0.1 GET / ", 1);
    }
}

#[test]
fn the_peers_of_a_unix_socket_can_be_trusted() {
    let scripts = Scripts::new();
    let path = scripts.path().join("socket");
    let listen = format!("unix:{}", path.display());
    let serving = Serving::start_on(&listen, &["--trust-proxy", "unix", "--", &telling(&scripts)], "unix:");
    let mut stream = UnixStream::connect(&path).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: own\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.contains("192.0.2.7|||own|own|80|"), "{text}");
    serving.requests.wait_for(" 192.0.2.7 GET / ", 1);
}

const GET: &str = "GET / HTTP/1.1\r\nHost: own\r\nConnection: close\r\n\r\n";

/// A header of version 2 with a command, and a TLS client from 192.0.2.7:258 to 192.0.2.8:443.
fn version_2(command: u8) -> Vec<u8> {
    let rest = b"\xc0\0\x02\x07\xc0\0\x02\x08\x01\x02\x01\xbb\xee\0\x02xx\x20\0\x05\x01\0\0\0\0";
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, 0x11, 0, u8::try_from(rest.len()).unwrap()][..], rest].concat()
}

#[test]
fn a_connection_begins_with_a_header_of_the_proxy_protocol() {
    let scripts = Scripts::new();
    let serving = Serving::start(&["--trust-proxy", "127.0.0.1", "--proxy-protocol", "--", &telling(&scripts)]);
    let told = |bytes: &[u8]| {
        let got = exchange(serving.address, [bytes, GET.as_bytes()].concat());
        String::from_utf8(got.chunks().0).unwrap()
    };
    assert_eq!(told(b"PROXY TCP4 192.0.2.7 192.0.2.8 258 8081\r\n"), "192.0.2.7|258||own|own|8081|");
    assert_eq!(told(&version_2(0x21)), "192.0.2.7|258|on|own|own|443|");
    serving.requests.wait_for(" 192.0.2.7 GET / ", 2);
    for own in [&b"PROXY UNKNOWN\r\n"[..], &version_2(0x20)] {
        let told = told(own);
        assert!(told.starts_with("127.0.0.1|") && told.ends_with(&format!("|{}|", serving.address.port())), "{told}");
    }
    // It may arrive in pieces.
    let mut wire = Wire::connect(serving.address);
    for piece in ["PROX", "Y TCP4 192.0.2.7 192.0.2.8 258", " 8081\r", "\nGET / HTTP", &GET[10..]] {
        wire.send(piece);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(wire.rest().chunks().0, b"192.0.2.7|258||own|own|8081|");
}

#[test]
fn a_connection_without_its_header_is_closed_and_logged() {
    let scripts = Scripts::new();
    let options = ["--trust-proxy", "127.0.0.1", "--proxy-protocol", "--timeout-head", "1", "--", &telling(&scripts)];
    let serving = Serving::start(&options);
    // A balancer checks whether the port is open.
    drop(Wire::connect(serving.address));
    for (sent, told) in [
        (GET, "the connection does not begin with a PROXY header"),
        ("PROXY TCP4 192.0.2.7\r\n", "the line of the PROXY header is invalid"),
        ("PROXY TCP4 192.0.2.7 192.0.2.8 258 8081", "the PROXY header did not arrive in time"),
    ] {
        assert_eq!(Wire::connect(serving.address).send(sent).rest().text, b"", "{sent}");
        serving.troubles.wait_for(&format!(": closed: {told}"), 1);
    }
    let mut wire = Wire::connect(serving.address);
    wire.send("PROXY TCP4").half_close();
    assert_eq!(wire.rest().text, b"");
    serving.troubles.wait_for("the connection ended within the PROXY header", 1);
    // Other peers have no header, and may not send one.
    let other = Serving::start(&["--trust-proxy", "127.0.0.2", "--proxy-protocol", "--", &telling(&scripts)]);
    assert!(get(&other, "").starts_with("127.0.0.1|"));
    assert_eq!(exchange(other.address, format!("PROXY TCP4 192.0.2.7 192.0.2.8 258 8081\r\n{GET}")).status(), 400);
}

#[test]
fn a_header_of_the_proxy_protocol_on_a_unix_socket() {
    let scripts = Scripts::new();
    let path = scripts.path().join("socket");
    let listen = format!("unix:{}", path.display());
    for (protocol, rest) in [("http", GET), ("scgi", "39:CONTENT_LENGTH\x000\0SCGI\x001\0REQUEST_METHOD\0GET\0,")] {
        let rest = rest.replacen("39:", &format!("{}:", rest.len() - 4), 1);
        let options = ["--protocol", protocol, "--proxy-protocol", "--", &telling(&scripts)];
        let mut serving = Serving::start_on(&listen, &options, "unix:");
        let mut text = String::new();
        let mut stream = UnixStream::connect(&path).unwrap();
        write!(stream, "PROXY TCP4 192.0.2.7 192.0.2.8 258 8081\r\n{rest}").unwrap();
        stream.read_to_string(&mut text).unwrap();
        drop(stream);
        assert!(
            text.contains(if protocol == "http" { "192.0.2.7|258||own|own|8081|" } else { "||||localhost|80|" }),
            "{text}"
        );
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(rest.as_bytes()).unwrap();
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
        drop(stream);
        serving.troubles.wait_for("a connection on the Unix socket: closed: ", 1);
        serving.signal("TERM");
        serving.wait();
    }
}

#[test]
fn requirement_23_the_scheme_of_a_front_server_passes() {
    let scripts = Scripts::new();
    let program = scripts.sh("tell", "printf 'A: b\\n\\n%s %s' \"$HTTPS\" \"$REQUEST_SCHEME\"");
    let serving = Serving::start(&["--protocol", "fastcgi", "--", &program]);
    let pairs = [("REQUEST_METHOD", "GET"), ("HTTPS", "on"), ("REQUEST_SCHEME", "https")];
    let output = fastcgi(std::net::TcpStream::connect(serving.address).unwrap(), &pairs);
    assert!(output.ends_with("\r\n\r\non https"), "{output}");
}

#[test]
fn requirement_13_a_connection_is_kept_for_a_time_of_its_own() {
    let scripts = Scripts::new();
    let program = scripts.sh("hello", "printf 'Content-Length: 5\\n\\nhello'");
    let serving = Serving::start(&["--timeout-head", "1", "--keep-alive", "4", "--", &program]);
    let mut wire = Wire::connect(serving.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("hello");
    std::thread::sleep(Duration::from_secs(2));
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("hello");
    let began = std::time::Instant::now();
    assert_eq!(wire.rest().text, b"");
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
}
