//! Tests what a program receives and what is logged about it, with the options that change both.

use std::io::Read;

use super::host::{Scripts, Serving, wait_until};
use pushpull_testing::wire::{Got, Wire, exchange};

fn get(serving: &Serving, path: &str) -> Got {
    exchange(
        serving.address,
        format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\nConnection: close\r\n\r\n"),
    )
}

#[test]
fn requirements_2_4_and_6_a_program_receives_what_the_options_set() {
    let scripts = Scripts::new();
    let program = scripts.sh("tell", "printf 'Content-Type: text/plain\\n\\n'; env; pwd; echo \"$@\"");
    let arguments = [
        "--mount",
        "/here",
        "--env",
        "SET=a=b",
        "--pass-env",
        "PASSED",
        "--pass-authorization",
        "--",
        &program,
        "--one",
        "--",
        "-2",
    ];
    let serving = Serving::start_with(&arguments, &[("PASSED", "on"), ("KEPT", "back")]);
    assert_eq!(get(&serving, "/hereabouts").status(), 404);
    let (said, whole) = get(&serving, "/here/a").chunks();
    let said = String::from_utf8(said).unwrap();
    assert!(whole);
    for line in [
        "SET=a=b",
        "PASSED=on",
        "HTTP_AUTHORIZATION=b",
        "SCRIPT_NAME=/here",
        "PATH_INFO=/a",
        scripts.path().to_str().unwrap(),
        "--one -- -2",
    ] {
        assert!(said.lines().any(|said| said == line), "{line:?} is not in {said}");
    }
    assert!(!said.contains("KEPT"));
}

#[test]
fn requirement_3_bodies_are_taken_as_configured() {
    let scripts = Scripts::new();
    let program = scripts.sh("count", "printf 'Content-Type: text/plain\\n\\n%s ' \"$CONTENT_LENGTH\"; wc -c");
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                   3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let measured = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nabcde";
    for (how, first, second) in [("spool", "5 5\n", "5 5\n"), ("stream", " 5\n", "5 5\n"), ("reject", "411", "5 5\n")] {
        let serving = Serving::start(&["--request-body", how, "--max-body", "5", "--", &program]);
        let got = exchange(serving.address, chunked);
        match first {
            "411" => assert_eq!(got.status(), 411),
            text => assert_eq!(got.chunks(), (text.into(), true), "{how}"),
        }
        assert_eq!(exchange(serving.address, measured).chunks(), (second.into(), true), "{how}");
        // One byte more than the maximum.
        let larger = measured.replace("Content-Length: 5", "Content-Length: 6");
        assert_eq!(exchange(serving.address, larger + "f").status(), 413, "{how}");
    }
}

#[test]
fn requirement_17_the_log_has_a_line_per_request_and_no_control_characters() {
    let scripts = Scripts::new();
    let program = scripts.sh(
        "say",
        "printf 'first \\033[1m\\nsecond\\n' >&2; printf 'Content-Type: text/plain\\n\\nhello'; exit \"$QUERY_STRING\"",
    );
    let serving = Serving::start(&["--", &program]);
    assert!(get(&serving, "/a%1b?0").chunks().1);
    assert!(!get(&serving, "/b?3").chunks().1);
    serving.troubles.wait_for("first \\x1b[1m", 2);
    serving.troubles.wait_for("second", 2);
    serving.troubles.wait_for("GET /b?3: ", 1);
    let line = serving.requests.wait_for("GET /a%1b?0 HTTP/1.1 200 5 ", 1).remove(0);
    assert!(line.contains(" 127.0.0.1 GET ") && line.ends_with("ms done"), "{line}");
    let line = serving.requests.wait_for("GET /b?3 ", 1).remove(0);
    assert!(line.ends_with("ms cut") || line.contains(" 502 "), "{line}");
}

#[test]
fn requirement_15_an_exit_status_can_be_ignored() {
    let scripts = Scripts::new();
    let program = scripts.sh("grep", "printf 'Content-Type: text/plain\\n\\nnothing found'; exit 1");
    let serving = Serving::start(&["--exit-status", "log", "--", &program]);
    assert_eq!(get(&serving, "/").chunks(), (b"nothing found".to_vec(), true));
}

#[test]
fn requirement_17_unicode_controls_are_escaped_in_the_log() {
    let scripts = Scripts::new();
    let program = scripts.sh("say", "printf 'a\\342\\200\\256b\\n' >&2; printf 'A: b\\n\\n'");
    let serving = Serving::start(&["--", &program]);
    assert_eq!(get(&serving, "/a\u{202e}b").status(), 200);
    serving.troubles.wait_for("a\\xe2\\x80\\xaeb", 1);
    serving.requests.wait_for("GET /a\\xe2\\x80\\xaeb HTTP/1.1 200 ", 1);
}

#[test]
fn requirement_17_an_ipv4_client_of_an_ipv6_socket_has_an_ipv4_address() {
    // Without IPv6, there is nothing to test.
    if std::net::TcpListener::bind("[::]:0").is_err() {
        return;
    }
    let scripts = Scripts::new();
    let program = scripts.sh("tell", "printf 'A: b\\n\\n%s %s' \"$REMOTE_ADDR\" \"$SERVER_NAME\"");
    let serving = Serving::start_on("[::]:0", &["--", &program], "://[::]:");
    let line = serving.requests.wait_for("://[::]:", 1).remove(0);
    let port: u16 = line.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    let address = ([127, 0, 0, 1], port).into();
    assert_eq!(exchange(address, "GET / HTTP/1.0\r\n\r\n").body(), b"127.0.0.1 127.0.0.1");
    serving.requests.wait_for(" 127.0.0.1 GET / ", 1);
    assert_eq!(exchange(address, "GET /\0 HTTP/1.1\r\n\r\n").status(), 400);
    serving.troubles.wait_for(" 127.0.0.1:", 1);
}

#[test]
fn requirement_13_a_slow_but_steady_client_gets_everything() {
    const LENGTH: usize = 12_000_000;
    let scripts = Scripts::new();
    let program =
        scripts.sh("long", &format!("printf 'Content-Length: {LENGTH}\\n\\n'; exec head -c {LENGTH} /dev/zero"));
    let serving = Serving::start(&["--timeout-client", "1", "--", &program]);
    let mut wire = Wire::narrow(serving.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").until("\r\n\r\n");
    let (mut piece, mut got, began) = ([0; 4096], 0, std::time::Instant::now());
    while began.elapsed() < std::time::Duration::from_secs(4) {
        std::thread::sleep(std::time::Duration::from_millis(50));
        wire.0.read_exact(&mut piece).unwrap();
        got += piece.len();
    }
    assert_eq!(got + wire.rest().text.len(), LENGTH);
    serving.requests.wait_for(" done", 1);
}

#[test]
fn requirement_9_a_client_is_logged_in_by_a_local_redirect() {
    let scripts = Scripts::new();
    let program = scripts.sh(
        "login",
        "case $PATH_INFO in\n/login) printf 'Set-Cookie: sid=1; Path=/\\nLocation: /home\\n\\n' ;;\n\
         *) printf 'Content-Type: text/plain\\n\\nhome' ;;\nesac",
    );
    let serving = Serving::start(&["--", &program]);
    let got = get(&serving, "/login");
    assert!(String::from_utf8_lossy(&got.text).contains("\r\nset-cookie: sid=1; Path=/\r\n"));
    assert_eq!(got.chunks(), (b"home".to_vec(), true));
}

#[test]
fn requirement_9_a_loop_of_local_redirects_ends() {
    let scripts = Scripts::new();
    let program = scripts.sh(
        "redirect",
        "case $PATH_INFO in\n/loop) printf 'Location: /loop\\n\\n' ;;\n/once) printf 'Location: /end?q\\n\\n' ;;\n\
         *) printf 'Content-Type: text/plain\\n\\n%s %s' \"$PATH_INFO\" \"$QUERY_STRING\" ;;\nesac",
    );
    // One program at a time suffices for all hops.
    let serving = Serving::start(&["--max-programs", "1", "--", &program]);
    assert_eq!(get(&serving, "/once").chunks(), (b"/end q".to_vec(), true));
    assert_eq!(get(&serving, "/loop?a").status(), 502);
    let told = "GET /loop?a: 502 Bad Gateway: more than 10 local redirects, the last to /loop";
    let line = serving.troubles.wait_for("GET /loop?a: ", 1).remove(0);
    assert!(line.ends_with(told), "{line}");
    assert_eq!(get(&serving, "/once").status(), 200);
}

#[test]
fn requirement_16_bytes_beyond_the_content_length_are_reported_once() {
    let scripts = Scripts::new();
    let head = "printf 'Content-Type: text/plain\\nContent-Length: 5\\n\\n";
    // All at once, and in many pieces.
    let short = scripts.sh("short", &format!("{head}hello, and more'"));
    let long = scripts.sh("long", &format!("{head}hello'; head -c 3000000 /dev/zero"));
    for (program, surplus) in [(short, 10), (long, 3_000_000)] {
        let serving = Serving::start(&["--", &program]);
        assert_eq!(get(&serving, "/a").body(), b"hello");
        let told = format!("GET /a: the program wrote {surplus} bytes more than its content length");
        serving.troubles.wait_for(&told, 1);
        assert!(serving.requests.wait_for("GET /a ", 1)[0].ends_with(" done"));
        // A response to HEAD has no body.
        let head = "HEAD /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        assert_eq!(exchange(serving.address, head).body(), b"");
        wait_until("its program has ended", || serving.children().is_empty());
        assert_eq!(get(&serving, "/c").status(), 200);
        serving.troubles.wait_for("GET /c: ", 1);
        assert_eq!(serving.troubles.wait_for("bytes more", 2).len(), 2);
    }
}

#[test]
fn requirement_11_head_on_a_streaming_program() {
    let scripts = Scripts::new();
    let program =
        scripts.sh("stream", "printf 'Content-Type: text/plain\\n\\n'; head -c 3000000 /dev/zero; echo over >&2");
    let serving = Serving::start(&["--", &program]);
    let got = exchange(serving.address, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!((got.status(), got.body(), got.error), (200, &b""[..], None));
    // The program was not killed.
    serving.troubles.wait_for("over", 1);
}

#[test]
fn requirement_12_a_trickle_is_seen_as_it_trickles() {
    let scripts = Scripts::new();
    let program = scripts.sh(
        "trickle",
        "printf 'Content-Type: text/plain\\n\\n'; while read -r line; do printf '%s\\n' \"$line\"; done",
    );
    let serving = Serving::start(&["--request-body", "stream", "--", &program]);
    let mut wire = Wire::connect(serving.address);
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").until("\r\n\r\n");
    for _ in 0..3 {
        // The program receives the next line after the client has read this one.
        wire.send("6\r\npiece\n\r\n").until("6\r\npiece\n\r\n");
    }
    wire.send("0\r\n\r\n");
    wire.until("0\r\n\r\n");
    drop(wire.0.read(&mut []));
}
