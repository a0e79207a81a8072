//! Requirement 17: signals.

use std::net::TcpStream;

use super::host::{Scripts, Serving, wait_until};
use super::wire::{Wire, exchange};

/// A program that goes on when there is a file.
fn waiting(scripts: &Scripts) -> String {
    scripts.sh(
        "wait",
        "printf 'Content-Type: text/plain\\n\\nfirst\\n'; while ! [ -e go ]; do sleep 0.01; done; printf 'last\\n'",
    )
}

#[test]
fn requirement_17_a_signal_lets_responses_finish() {
    for signal in ["TERM", "INT"] {
        let scripts = Scripts::new();
        let mut serving = Serving::start(&["--", &waiting(&scripts)]);
        let mut wire = Wire::connect(serving.address);
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("first\n\r\n");
        serving.signal(signal);
        wait_until("no connection is accepted", || TcpStream::connect(serving.address).is_err());
        scripts.file("go", "", 0o644);
        assert_eq!(wire.rest().text, b"5\r\nlast\n\r\n0\r\n\r\n");
        assert_eq!(serving.wait().code(), Some(0));
        serving.requests.wait_for(" done", 1);
    }
}

#[test]
fn who_asks_for_the_health_learns_of_the_end_before_it_comes() {
    let scripts = Scripts::new();
    let mut serving = Serving::start(&["--health", "/health", "--shutdown-notice", "3600", "--", &waiting(&scripts)]);
    let ask =
        |what: &str| exchange(serving.address, format!("{what} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    let health = ask("GET /health");
    assert_eq!((health.status(), health.body()), (200, &b"ok\n"[..]));
    let health = ask("HEAD /health");
    assert_eq!((health.status(), health.body()), (200, &b""[..]));
    scripts.file("go", "", 0o644);
    serving.signal("TERM");
    wait_until("the health is told", || ask("GET /health").status() == 503);
    // All else is served as before, and so are other ways to ask for the path.
    for what in ["GET /", "POST /health", "GET /health/"] {
        assert_eq!(ask(what).chunks(), (b"first\nlast\n".to_vec(), true), "{what}");
    }
    // A second signal does not wait.
    serving.signal("TERM");
    assert_eq!(serving.wait().code(), Some(0));
}

#[test]
fn requirement_17_after_the_grace_programs_are_stopped_and_reaped() {
    let scripts = Scripts::new();
    let mut serving = Serving::start(&["--shutdown-grace", "0.1", "--", &waiting(&scripts)]);
    let mut wire = Wire::connect(serving.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("first\n\r\n");
    let programs = serving.children();
    assert_eq!(programs.len(), 1);
    serving.signal("TERM");
    assert_eq!(wire.rest().text, b"");
    assert_eq!(serving.wait().code(), Some(0));
    assert!(!std::path::Path::new(&format!("/proc/{}", programs[0])).exists(), "the program is left over");
    serving.requests.wait_for(" cut", 1);
}

#[test]
fn requirement_17_a_second_signal_does_not_wait() {
    let scripts = Scripts::new();
    // One that does not listen.
    let program = scripts
        .sh("deaf", "trap '' TERM; printf 'Content-Type: text/plain\\n\\nfirst\\n'; while :; do sleep 0.1; done");
    let mut serving = Serving::start(&["--shutdown-grace", "3600", "--kill-grace", "3600", "--", &program]);
    let mut wire = Wire::connect(serving.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("first\n\r\n");
    let programs = serving.children();
    serving.signal("TERM");
    wait_until("no connection is accepted", || TcpStream::connect(serving.address).is_err());
    serving.signal("TERM");
    assert_eq!(wire.rest().text, b"");
    assert_eq!(serving.wait().code(), Some(0));
    assert!(!std::path::Path::new(&format!("/proc/{}", programs[0])).exists(), "the program is left over");
}
