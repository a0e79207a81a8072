//! Independent programs, which check files.

use std::process::Command;

/// Runs a program, which must succeed, and returns its output.
#[track_caller]
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}: {out}{err}", output.status);
    out.trim_end().to_owned()
}

/// Runs a Python program with arguments.
#[track_caller]
pub fn python(program: &str, arguments: &[&str]) -> String {
    let mut all = vec!["-c", program];
    all.extend_from_slice(arguments);
    run("python3", &all)
}

/// Downloads with `curl`, which fails if the message was truncated.
#[track_caller]
pub fn curl(url: &str, file: &str) {
    run("curl", &["--silent", "--show-error", "--max-time", "240", "--fail", "--output", file, url]);
}

/// Returns the output of `curl`, which fails if the response is an error.
#[track_caller]
pub fn curl_for(arguments: &[&str]) -> String {
    let mut all = vec!["--silent", "--show-error", "--fail-with-body"];
    all.extend_from_slice(arguments);
    run("curl", &all)
}

/// Returns the status of the response.
#[track_caller]
pub fn status_of(arguments: &[&str]) -> String {
    let mut all = vec!["--silent", "--max-time", "240", "--output", "/dev/null", "--write-out", "%{http_code}"];
    all.extend_from_slice(arguments);
    run("curl", &all)
}
