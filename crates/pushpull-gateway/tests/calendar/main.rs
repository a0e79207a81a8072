//! The calendar (a push app) and the primes (a pull app), served in every way to real clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use flate2::read::GzDecoder;
use pushpull_testing::example::{Served, program};

/// Starts an example on its own port.
fn serve(name: &str) -> Served {
    let mut command = Command::new(program(name));
    command.arg("127.0.0.1:0");
    Served::start(command)
}

/// Sends a request unchanged, and returns everything until the connection ends.
fn send(server: &Served, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    response
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n{fields}\r\n")
}

/// Returns the status line, the fields and the body of a response.
fn parts(response: &[u8]) -> (String, String, Vec<u8>) {
    let end = response.windows(4).position(|window| window == b"\r\n\r\n").expect("a response has a head");
    let head = String::from_utf8(response[..end].to_vec()).unwrap();
    let (status, fields) = head.split_once("\r\n").unwrap();
    (status.to_owned(), fields.to_ascii_lowercase(), response[end + 4..].to_vec())
}

fn days(page: &str) -> usize {
    page.matches("<td>").count() + page.matches("<td class").count()
}

#[test]
fn hyper_serves_the_calendar_with_its_length() {
    let server = serve("calendar_hyper");
    let (status, fields, body) = parts(&send(&server, &get("/?year=2024&month=2", "")));
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(fields.contains(&format!("content-length: {}", body.len())), "{fields}");
    let page = String::from_utf8(body).unwrap();
    // Three empty cells before Thursday the 1st, and 29 days.
    assert!(page.contains("<h1>February 2024</h1>") && days(&page) == 3 + 29, "{page}");
}

#[test]
fn a_processor_compresses_the_output_of_the_push_app() {
    let server = serve("calendar_hyper");
    let path = "/?year=2024&month=2";
    let plain = parts(&send(&server, &get(path, ""))).2;
    for (accept, packed) in [("gzip", true), ("br, GZIP;q=0.5", true), ("gzip;q=0", false), ("identity", false)] {
        let (_, fields, body) = parts(&send(&server, &get(path, &format!("Accept-Encoding: {accept}\r\n"))));
        assert_eq!(fields.contains("content-encoding: gzip"), packed, "{accept}");
        assert!(fields.contains("vary: accept-encoding"));
        let mut page = Vec::new();
        if packed {
            GzDecoder::new(&body[..]).read_to_end(&mut page).unwrap();
        } else {
            page = body;
        }
        assert_eq!(page, plain, "{accept}");
    }
}

#[test]
fn axum_serves_the_calendar_where_it_is_mounted() {
    let server = serve("calendar_axum");
    let (status, fields, _) = parts(&send(&server, &get("/", "")));
    assert!(status.contains("303") && fields.contains("location: /calendar/"), "{status} {fields}");
    let (status, _, body) = parts(&send(&server, &get("/calendar/?year=2024&month=12", "")));
    assert_eq!(status, "HTTP/1.1 200 OK");
    let page = String::from_utf8_lossy(&body).into_owned();
    assert!(page.contains("href=\"/calendar/?year=2025&amp;month=1\""), "{page}");
    let (status, _, body) = parts(&send(&server, &get("/calendar/?year=2024&month=13", "")));
    let page = String::from_utf8_lossy(&body);
    assert!(status == "HTTP/1.1 400 Bad Request" && page.contains("month=11\n"), "{status} {page}");
    assert!(parts(&send(&server, &get("/calendar/..%2f", ""))).0.contains(" 400 "));
}

/// Requirement 18: a push app as a CGI program.
#[test]
fn the_calendar_is_a_cgi_program() {
    let output = Command::new(program("calendar_cgi"))
        .env_clear()
        .envs([("REQUEST_METHOD", "GET"), ("QUERY_STRING", "year=2024&month=2"), ("SCRIPT_NAME", "/cgi-bin/cal")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success());
    let (status, fields, body) = parts(&output.stdout);
    assert_eq!(status, "Status: 200 OK");
    assert!(fields.contains("content-type: text/html; charset=utf-8"));
    let page = String::from_utf8(body).unwrap();
    assert!(page.contains("href=\"/cgi-bin/cal/?year=2024&amp;month=3\"") && days(&page) == 3 + 29);
}

/// Requirement 18: a pull app as a CGI program.
#[test]
fn the_primes_are_a_cgi_program() {
    let run = |query: &str| {
        let mut command = Command::new(program("primes_cgi"));
        command.env_clear().envs([("REQUEST_METHOD", "GET"), ("QUERY_STRING", query)]).output().unwrap()
    };
    let (status, fields, body) = parts(&run("below=30").stdout);
    assert_eq!((&status[..], &fields[..]), ("Status: 200 OK", "content-type: text/plain"));
    assert_eq!(body, b"2\n3\n5\n7\n11\n13\n17\n19\n23\n29\n");
    assert_eq!(parts(&run("below=many").stdout).0, "Status: 400 Bad Request");
}

/// Requirement 18: if the server disconnects, an endless program stops without an error message.
#[test]
fn requirement_18_a_disconnected_server_stops_the_program() {
    let mut child = Command::new(program("primes_cgi"))
        .env_clear()
        .env("REQUEST_METHOD", "GET")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line != "7\n" {
        line.clear();
        output.read_line(&mut line).unwrap();
    }
    drop(output);
    assert!(child.wait().unwrap().success());
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert_eq!(complaint, "");
}

/// A kept connection answers one request after the other.
#[test]
fn a_kept_connection_is_served_again() {
    let server = serve("calendar_hyper");
    let mut stream = TcpStream::connect(server.address).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    for month in 1..=12 {
        write!(stream, "GET /?year=2023&month={month} HTTP/1.1\r\nHost: example.test\r\n\r\n").unwrap();
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            answers.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut page = vec![0; length];
        answers.read_exact(&mut page).unwrap();
        assert!(page.ends_with(b"</table></html>\n"), "month {month}");
    }
}
