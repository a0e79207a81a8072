//! Log lines as JSON, figures for Prometheus, and the queue, which the figures show.

use std::collections::HashMap;
use std::net::SocketAddr;

use pushpull_testing::wire::{Wire, exchange};
use serde_json::Value;

use super::front::fastcgi;
use super::host::{Scripts, Serving, wait_until};

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let got = exchange(address, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    (got.status(), String::from_utf8(got.body().to_vec()).unwrap())
}

/// Returns the address in the line about the figures.
fn figures_of(serving: &Serving) -> SocketAddr {
    let line = serving.requests.wait_for("figures at http://", 1).remove(0);
    line.trim_start_matches("figures at http://").trim_end_matches("/metrics").parse().unwrap()
}

fn figures(address: SocketAddr) -> HashMap<String, f64> {
    let (status, text) = get(address, "/metrics");
    assert!(status == 200 && text.ends_with("\n# EOF\n"), "{text}");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

#[test]
fn requirement_17_each_line_of_the_log_is_an_object_on_request() {
    let scripts = Scripts::new();
    let program =
        scripts.sh("say", "printf 'a \"b\"\\033\\377\\n' >&2; printf 'A: b\\n\\nhello'; exit \"$QUERY_STRING\"");
    let options = ["--log-format", "json", "--", &program];
    let serving = Serving::start_on("127.0.0.1:0", &options, "\"message\":\"serving ");
    let object = |line: &str| serde_json::from_str::<HashMap<String, Value>>(line).unwrap_or_else(|_| panic!("{line}"));
    let started = object(&serving.requests.wait_for("serving", 1)[0]);
    assert_eq!(started["level"], "info");
    let address =
        started["message"].as_str().unwrap().rsplit("http://").next().unwrap().trim_end_matches('/').parse().unwrap();
    exchange(address, "GET /\u{e9}\u{202e}\"\\?0 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let got = object(&serving.requests.wait_for("duration_ms", 1)[0]);
    for (name, expected) in [
        ("client", Value::from("127.0.0.1")),
        ("method", "GET".into()),
        ("target", "/\u{e9}\u{202e}\"\\?0".into()),
        ("protocol", "HTTP/1.1".into()),
        ("status", 200.into()),
        ("bytes", 5.into()),
        ("end", "done".into()),
    ] {
        assert_eq!(got[name], expected, "{name}");
    }
    assert!(got["duration_ms"].as_f64().unwrap() > 0.0 && got["time"].as_str().unwrap().ends_with('Z'));
    let said = object(&serving.troubles.wait_for("a \\\"b\\\"", 1)[0]);
    assert_eq!((&said["level"], &said["message"]), (&"error".into(), &"a \"b\"\\x1b\\xff".into()));
    exchange(address, "GET /?3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let cut = object(&serving.requests.wait_for("\"target\":\"/?3\"", 1)[0]);
    assert_eq!((&cut["end"], &cut["cut"]), (&"cut".into(), &"service".into()));
    assert!(!got.contains_key("cut"));
}

#[test]
fn the_figures_count_what_happens() {
    let scripts = Scripts::new();
    let program = scripts.sh("say", "printf 'Status: %s\\n\\nhello' \"$QUERY_STRING\"; [ \"$QUERY_STRING\" != 201 ]");
    let serving = Serving::start(&["--metrics", "127.0.0.1:0", "--max-programs", "7", "--", &program]);
    let at = figures_of(&serving);
    let fresh = figures(at);
    assert!(
        fresh.iter().all(|(name, value)| *value == if name == "pushpull_programs_max" { 7.0 } else { 0.0 }),
        "{fresh:?}"
    );
    for status in ["200", "200", "404", "201"] {
        get(serving.address, &format!("/?{status}"));
    }
    exchange(serving.address, "GET /\0 HTTP/1.1\r\n\r\n");
    serving.requests.wait_for(" GET /?", 4);
    wait_until("the connections are closed", || figures(at)["pushpull_connections"] == 0.0);
    let figures = figures(at);
    for (name, expected) in [
        ("requests_total{status=\"2xx\"}", 3.0),
        ("requests_total{status=\"4xx\"}", 1.0),
        ("requests_total{status=\"5xx\"}", 0.0),
        ("responses_total{end=\"done\"}", 3.0),
        ("responses_total{end=\"cut_service\"}", 1.0),
        ("response_body_bytes_total", 20.0),
        ("request_duration_seconds_count", 4.0),
        ("request_duration_seconds_bucket{le=\"+Inf\"}", 4.0),
        ("connections_accepted_total", 5.0),
    ] {
        assert_eq!(figures[&format!("pushpull_{name}")], expected, "{name}");
    }
    let received =
        4 * "GET /?200 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".len() + "GET /\0 HTTP/1.1\r\n\r\n".len();
    assert_eq!(figures["pushpull_received_bytes_total"], received as f64);
    assert!(figures["pushpull_sent_bytes_total"] > 20.0 && figures["pushpull_request_duration_seconds_sum"] > 0.0);
    // Only the figures are there, and only in one place.
    assert_eq!((get(at, "/").0, exchange(at, "POST /metrics HTTP/1.0\r\n\r\n").status()), (404, 405));
    assert_ne!(get(serving.address, "/metrics?200").1, get(at, "/metrics").1);
}

#[test]
fn a_cut_has_its_reason() {
    let scripts = Scripts::new();
    let program = scripts.sh("endless", "printf 'Content-Type: text/plain\\n\\n'; while :; do printf '%065536d'; done");
    let options = ["--metrics", "127.0.0.1:0", "--timeout-client", "0.5", "--shutdown-grace", "0.1", "--", &program];
    let mut serving = Serving::start(&options);
    let at = figures_of(&serving);
    let ends = |end: &str| figures(at)[&format!("pushpull_responses_total{{end=\"{end}\"}}")];
    let mut wire = Wire::narrow(serving.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("\r\n\r\n");
    wait_until("the client is cut", || ends("cut_stalled") == 1.0);
    let mut wire = Wire::connect(serving.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("\r\n\r\n");
    drop(wire);
    wait_until("the client is gone", || ends("gone") == 1.0);
    let mut wire = Wire::connect(serving.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("\r\n\r\n");
    let reading = std::thread::spawn(move || wire.rest());
    serving.signal("TERM");
    reading.join().unwrap();
    assert_eq!(serving.wait().code(), Some(0));
    serving.requests.wait_for(" cut", 2);
}

/// A program that waits for a file with the name of its query.
fn waiting(scripts: &Scripts) -> String {
    scripts.sh(
        "wait",
        "while ! [ -e \"go-$QUERY_STRING\" ]; do sleep 0.01; done; printf 'Content-Type: text/plain\\n\\n%s' \"$QUERY_STRING\"",
    )
}

#[test]
fn requirement_13_a_request_waits_until_a_program_ends() {
    let scripts = Scripts::new();
    let options = ["--max-programs", "1", "--queue", "1", "--queue-timeout", "3600", "--metrics", "127.0.0.1:0"];
    for protocol in ["http", "fastcgi"] {
        let mut serving =
            Serving::start(&[&["--protocol", protocol], &options[..], &["--", &waiting(&scripts)]].concat());
        let (address, at) = (serving.address, figures_of(&serving));
        let ask = |query: &'static str| {
            std::thread::spawn(move || match protocol {
                "http" => {
                    let request = format!("GET /?{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
                    String::from_utf8(exchange(address, request).text).unwrap()
                }
                _ => {
                    let pairs = [("REQUEST_METHOD", "GET"), ("QUERY_STRING", query)];
                    fastcgi(std::net::TcpStream::connect(address).unwrap(), &pairs)
                }
            })
        };
        let until = |running: f64, waiting: f64| {
            wait_until("it waits", || {
                let figures = figures(at);
                (figures["pushpull_programs"], figures["pushpull_queue"]) == (running, waiting)
            });
        };
        let first = ask("1");
        until(1.0, 0.0);
        let second = ask("2");
        until(1.0, 1.0);
        let refused = ask("3").join().unwrap();
        assert!(
            refused.contains(" 503 Service Unavailable\r\n")
                && refused.to_lowercase().contains("\r\nretry-after: 3600\r\n"),
            "{refused}"
        );
        for name in ["go-1", "go-2"] {
            scripts.file(name, "", 0o644);
        }
        assert!(
            first.join().unwrap().contains('1')
                && second.join().unwrap().ends_with(if protocol == "http" { "0\r\n\r\n" } else { "2" })
        );
        until(0.0, 0.0);
        for name in ["go-1", "go-2"] {
            std::fs::remove_file(scripts.path().join(name)).unwrap();
        }
        // When the server stops, waiting requests are answered with 503, and running programs continue.
        let first = ask("1");
        until(1.0, 0.0);
        let second = ask("2");
        until(1.0, 1.0);
        serving.signal("TERM");
        let second = second.join().unwrap();
        assert!(second.contains(" 503 Service Unavailable\r\n"), "{second}");
        serving.troubles.wait_for("503 Service Unavailable: the server is stopping", 1);
        scripts.file("go-1", "", 0o644);
        assert!(first.join().unwrap().contains(" 200 OK\r\n"));
        assert_eq!(serving.wait().code(), Some(0));
        std::fs::remove_file(scripts.path().join("go-1")).unwrap();
    }
}
