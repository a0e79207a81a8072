//! Requirement 17: signals.

use std::fs;
use std::net::TcpStream;
use std::process::{Command, Stdio};

use super::host::{PUSHPULL, Scripts, Serving, children, signal, wait_until};
use pushpull_testing::needed::{cannot, there};
use pushpull_testing::wire::{Wire, exchange};

/// Starts the server with these signals ignored.
fn ignoring(signals: &str, program: &str) -> Serving {
    let text = format!("trap '' {signals}; exec \"$0\" \"$@\"");
    Serving::start_by(&["sh", "-c", &text, PUSHPULL], &["--", program], &[])
}

fn get(serving: &Serving, path: &str) -> (Vec<u8>, bool) {
    exchange(serving.address, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).chunks()
}

/// Creates a program that continues once a file exists.
fn waiting(scripts: &Scripts) -> String {
    scripts.sh(
        "wait",
        "printf 'Content-Type: text/plain\\n\\nfirst\\n'; while ! [ -e go ]; do sleep 0.01; done; printf 'last\\n'",
    )
}

#[test]
fn requirement_17_a_signal_lets_responses_finish() {
    for signal in ["TERM", "INT", "HUP", "QUIT"] {
        let scripts = Scripts::new();
        // The signals that this test was started with must not matter.
        let default = ["env", "--default-signal=HUP", PUSHPULL];
        let mut serving = Serving::start_by(&default, &["--", &waiting(&scripts)], &[]);
        let mut wire = Wire::connect(serving.address);
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("first\n\r\n");
        serving.signal(signal);
        wait_until("no connection is accepted", || TcpStream::connect(serving.address).is_err());
        scripts.file("go", "", 0o644);
        assert_eq!(wire.rest().text, b"5\r\nlast\n\r\n0\r\n\r\n");
        // The server waits for the client's close, for some seconds.
        drop(wire);
        assert_eq!(serving.wait().code(), Some(0));
        serving.requests.wait_for(" done", 1);
    }
}

#[test]
fn the_health_check_announces_the_stop_in_advance() {
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
    wait_until("the health check fails", || ask("GET /health").status() == 503);
    // Everything else is served as before, including other methods on the path.
    for what in ["GET /", "POST /health", "GET /health/"] {
        assert_eq!(ask(what).chunks(), (b"first\nlast\n".to_vec(), true), "{what}");
    }
    // A second signal stops at once.
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
    // A program that ignores SIGTERM.
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

#[test]
fn requirement_17_a_hangup_leaves_no_program_behind() {
    let scripts = Scripts::new();
    let default = ["env", "--default-signal=HUP", PUSHPULL];
    let mut serving = Serving::start_by(&default, &["--shutdown-grace", "0.1", "--", &waiting(&scripts)], &[]);
    let mut wire = Wire::connect(serving.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("first\n\r\n");
    let programs = serving.children();
    serving.signal("HUP");
    assert_eq!(serving.wait().code(), Some(0));
    assert!(!fs::exists(format!("/proc/{}", programs[0])).unwrap(), "the program is left over");
}

#[test]
fn requirement_17_signals_that_mean_nothing_do_not_end_the_server() {
    let scripts = Scripts::new();
    let serving = Serving::start(&["--", &scripts.sh("hello", "printf 'Content-Type: text/plain\\n\\nhello'")]);
    for signal in ["USR1", "USR2", "ALRM", "XFSZ"] {
        serving.signal(signal);
        assert_eq!(get(&serving, "/"), (b"hello".to_vec(), true), "{signal}");
    }
}

#[test]
fn requirement_17_a_hangup_that_is_ignored_stays_so() {
    let scripts = Scripts::new();
    let serving = ignoring("HUP", &scripts.sh("hello", "printf 'Content-Type: text/plain\\n\\nhello'"));
    serving.signal("HUP");
    assert_eq!(get(&serving, "/"), (b"hello".to_vec(), true));
}

#[test]
fn requirement_17_programs_have_default_signals_and_their_status_is_known() {
    let scripts = Scripts::new();
    // The shell itself reads this: it blocks all signals while it starts another program.
    let text = "printf 'Content-Type: text/plain\\n\\n'; while read -r name mask; do case $name in \
                SigBlk: | SigIgn:) echo $name $mask;; esac; done </proc/self/status; exit ${QUERY_STRING:-0}";
    let program = scripts.sh("status", text);
    // glibc reserves the signals 32 and 33, and its `posix_spawn` ignores them.
    let get = |serving: &Serving, path: &str| {
        let (text, is_whole) = get(serving, path);
        let text = String::from_utf8(text).unwrap();
        let mask = |line: &str| u64::from_str_radix(line.split_once(' ').unwrap().1, 16).unwrap() & !(3 << 31);
        (text.lines().map(mask).collect::<Vec<_>>(), is_whole)
    };
    let expected = vec![0, 0];
    // The server catches some of these signals, and others stay ignored.
    for signals in ["USR1", "HUP INT QUIT USR1 USR2 ALRM CHLD", "TSTP TTOU WINCH", "CHLD"] {
        let serving = ignoring(signals, &program);
        assert_eq!(get(&serving, "/"), (expected.clone(), true), "{signals}");
        assert_eq!(get(&serving, "/?3"), (expected.clone(), false), "{signals}");
        serving.troubles.wait_for("the program exited with status 3", 1);
    }
}

#[test]
fn requirement_17_as_process_1_it_reaps_orphans() {
    if !there(&["unshare"]) {
        return;
    }
    let first = ["unshare", "-pf", "--kill-child"];
    let mut tried = Command::new(first[0]);
    if !tried.args(&first[1..]).arg("true").stderr(Stdio::null()).status().unwrap().success() {
        cannot("no namespace of processes may be made");
        return;
    }
    let scripts = Scripts::new();
    // The orphan ends after the program has been reaped.
    let orphan = "{ while kill -0 $$; do sleep 0.01; done; echo > ended; } >/dev/null 2>&1 &";
    let program =
        scripts.sh("orphan", &format!("printf 'Content-Type: text/plain\\n\\nhello'; {orphan} exit $QUERY_STRING"));
    let mut serving = Serving::start_by(&[&first[..], &[PUSHPULL]].concat(), &["--", &program], &[]);
    let process_1 = children(serving.id())[0];
    for round in 0..3 {
        assert_eq!(get(&serving, "/?0"), (b"hello".to_vec(), true));
        wait_until("the orphan ends", || fs::remove_file(scripts.path().join("ended")).is_ok());
        wait_until("it is reaped", || children(process_1).len() <= 1);
        // The server keeps its children's exit statuses.
        assert_eq!(get(&serving, "/?3"), (b"hello".to_vec(), false), "{round}");
        serving.troubles.wait_for("the program exited with status 3", round + 1);
        wait_until("the group is killed", || children(process_1).len() <= 1);
    }
    signal(process_1, "TERM");
    assert_eq!(serving.wait().code(), Some(0));
}
