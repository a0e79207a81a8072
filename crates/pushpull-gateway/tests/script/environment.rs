//! The environment of a program.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;

use bytes::Bytes;
use http_body_util::Empty;
use pushpull_gateway::{Connection, Environ, Mount, Script};
use rustix::process::Signal;

use crate::support::{ask, collect, get, request, run, sh, text};

/// Prints the environment that the program was started with, before the shell can add to it.
const SHOW: &str = "printf 'A: b\n\n'; cat /proc/$$/environ";

fn shown(script: &Script, request: http::Request<Empty<Bytes>>) -> BTreeMap<String, String> {
    let text = run(text(script, request));
    let entry = |entry: &str| entry.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    text.split_terminator('\0').map(entry).collect()
}

#[test]
fn requirement_1_and_6_the_environment_is_the_meta_variables_and_an_allow_list() {
    let script = sh(SHOW).env("EXTRA", "1").unwrap().env("SERVER_SOFTWARE", "mine").unwrap();
    let script = script.pass_env("CARGO_MANIFEST_DIR").pass_env("NO_SUCH_VARIABLE").mount(Mount::at("/app").unwrap());
    let mut asked =
        request("GET", "/app/a%20b?c=d").header("x-name", "v").header("proxy", "evil").body(Empty::new()).unwrap();
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
    asked.extensions_mut().insert(Connection::new(address(4000), address(80)));
    let mut shown = shown(&script, asked);
    for name in ["PATH", "TZ", "LANG", "LC_ALL", "CARGO_MANIFEST_DIR"] {
        assert_eq!(shown.remove(name), std::env::var(name).ok(), "{name}");
    }
    let expected = [
        ("EXTRA", "1"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("HTTP_HOST", "localhost"),
        ("HTTP_X_NAME", "v"),
        ("PATH_INFO", "/a b"),
        ("QUERY_STRING", "c=d"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REMOTE_PORT", "4000"),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_SCHEME", "http"),
        ("REQUEST_URI", "/app/a%20b?c=d"),
        ("SCRIPT_NAME", "/app"),
        ("SERVER_NAME", "localhost"),
        ("SERVER_PORT", "80"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_SOFTWARE", "mine"),
    ];
    assert_eq!(shown, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[test]
fn requirement_1_no_program_is_run_for_a_bad_request() {
    let script = sh("printf 'A: b\n\n'").mount(Mount::at("/app").unwrap());
    for (path, status) in [("/app/%2e%2e", 400), ("/app/%00", 400), ("/app/a%2Fb", 400), ("/application", 404)] {
        let asked = request("GET", path).body(Empty::<Bytes>::new()).unwrap();
        assert_eq!(run(async { ask(&script, asked).await.status() }), status, "{path}");
    }
}

#[test]
fn processors_change_the_environment() {
    let mut env = Environ::new();
    env.set("REQUEST_METHOD", "GET").unwrap();
    env.set("LATIN", b"caf\xe9").unwrap();
    let mut asked = get();
    asked.extensions_mut().insert(env);
    let script =
        sh("printf 'A: b\n\n'; cat /proc/$$/environ | tr '\\0' '\n' | grep -av '^PATH\\|^LANG\\|^TZ\\|^LC_ALL'");
    let bytes = run(async { collect(ask(&script, asked).await.into_body()).await.0 });
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    lines.sort();
    assert_eq!(lines, [&b"LATIN=caf\xe9"[..], b"REQUEST_METHOD=GET"]);
}

#[test]
fn requirement_6_a_program_works_in_its_own_directory() {
    let directory = tempfile::tempdir().unwrap();
    let (here, program) = (directory.path().canonicalize().unwrap(), directory.path().join("link"));
    symlink("/bin/sh", &program).unwrap();
    let script = Script::new(&program).unwrap().args(["-c", "printf 'A: b\n\n'; pwd -P; printf '%s' \"$0\""]);
    assert_eq!(script.program(), program);
    assert!(run(text(&script, get())).starts_with(&format!("{}\n", here.display())));
    let script = script.directory("/").unwrap();
    assert!(run(text(&script, get())).starts_with("/\n"));
    assert!(script.directory(&program).is_err());
}

#[test]
fn requirement_17_a_program_that_cannot_be_run_is_an_error_at_the_start() {
    for program in ["/no/such/program", "no-such-program", "/etc/passwd", "/tmp"] {
        let error = Script::new(program).unwrap_err().to_string();
        assert!(error.contains(program), "{error}");
    }
    assert!(Script::new("sh").unwrap().program().is_absolute());
}

#[test]
fn an_invalid_variable_is_an_error() {
    for (name, value) in [("", "a"), ("A=B", "c"), ("A", "b\0")] {
        assert!(sh("").env(name, value).is_err());
    }
}

#[test]
fn requirement_6_a_request_that_is_too_large_for_a_program_is_a_431() {
    let asked = request("GET", "/").header("x-large", "x".repeat(3_000_000)).body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(run(async { ask(&sh("printf 'A: b\n\n'"), asked).await.status() }), 431);
}

#[test]
fn a_signal_that_the_host_ignores_is_not_ignored_by_the_program() {
    // Rust ignores SIGPIPE. A program that inherited that would never stop writing.
    let text = run(text(&sh("printf 'A: b\n\n'; grep '^SigIgn' /proc/$$/status"), get()));
    let ignored = u64::from_str_radix(text.trim().rsplit('\t').next().unwrap(), 16).unwrap();
    assert_eq!(ignored & (1 << (Signal::PIPE.as_raw() - 1)), 0, "{text}");
}
