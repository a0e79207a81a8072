//! reqwest sends a directory while it is packed, to a server that parses it while it arrives.

mod support;

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};

use pushpull_cookbook::encode;
use pushpull_testing::log::DEADLINE;
use pushpull_testing::needed::there;
use serde_json::{Value, json};
use support::server::Server;
use support::tools::python;

/// The maximum memory of the sender, in KiB.
const BOUND: u64 = 14 * 1024;

const SENDER: &str = env!("CARGO_BIN_EXE_send_archive");
const RECEIVER: &str = env!("CARGO_BIN_EXE_axum_uploads");

fn send(arguments: &[&str]) -> Output {
    Command::new(SENDER).args(arguments).output().unwrap()
}

fn told(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn a_directory_arrives_complete_with_little_memory() {
    if !there(&["python3"]) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("pictures/empty")).unwrap();
    encode::png(6000, fs::File::create(home.path().join("pictures/mandelbrot.png")).unwrap()).unwrap();
    for source in ["src/bin/send_archive.rs", "src/sun.rs", "Cargo.toml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        fs::copy(&path, home.path().join(path.file_name().unwrap())).unwrap();
    }
    let directory = home.path().display().to_string();
    let expected: Value = serde_json::from_str(&python(TREE, &[&directory])).unwrap();
    let server = Server::start(RECEIVER);
    for (form, path) in [(None, "/source.tar.gz"), (Some("--form"), "/")] {
        let url = server.url(path);
        let output = send(&form.into_iter().chain([&directory[..], &url]).collect::<Vec<_>>());
        assert!(output.status.success(), "{}", told(&output));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let report = if form.is_some() { &answer[0] } else { &answer };
        // The order of a directory's entries is not defined, so the checksum of the archive is not either.
        assert_eq!(json!([report["files"], report["contents"]["bytes"]]), expected);
        let peak: u64 = told(&output).split_whitespace().rev().nth(1).unwrap().parse().unwrap();
        let bytes = expected[1].as_u64().unwrap();
        println!("{bytes} bytes sent with a peak of {peak} KiB, form: {}", form.is_some());
        assert!(bytes > 4 * 1024 * BOUND && peak < BOUND, "{bytes} bytes, {peak} KiB");
    }
}

#[test]
fn law_2_a_file_that_cannot_be_packed_aborts_the_request() {
    let home = tempfile::tempdir().unwrap();
    // `tar` refuses a socket.
    let _socket = UnixListener::bind(home.path().join("socket")).unwrap();
    let directory = home.path().display().to_string();
    let server = Server::start(RECEIVER);
    for (form, path) in [(None, "/source.tar.gz"), (Some("--form"), "/")] {
        let url = server.url(path);
        let output = send(&form.into_iter().chain([&directory[..], &url]).collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2));
        assert!(told(&output).contains("socket can not be archived"), "{}", told(&output));
    }
    // If the error comes with the first bytes, the server may never have seen the request. It has accepted none as
    // complete.
    let whole = tempfile::tempdir().unwrap();
    let output = send(&[&whole.path().display().to_string(), &server.url("/source.tar.gz")]);
    assert!(output.status.success(), "{}", told(&output));
    assert_eq!(server.log.wait_for("done ", 1).len(), 1);
}

#[test]
fn law_7_a_disconnect_of_the_server_stops_the_sender() {
    let home = tempfile::tempdir().unwrap();
    // More than fits into the socket buffers.
    let picture = home.path().join("1");
    encode::png(2000, fs::File::create(&picture).unwrap()).unwrap();
    for copy in 2..=8 {
        fs::hard_link(&picture, home.path().join(copy.to_string())).unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/source.tar", listener.local_addr().unwrap());
    let sender = Command::new(SENDER).arg(home.path()).arg(url).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let (mut connection, _) = listener.accept().unwrap();
    connection.set_read_timeout(Some(DEADLINE)).unwrap();
    connection.read_exact(&mut [0; 64 * 1024]).unwrap();
    // Unread bytes turn the close into a reset.
    drop((connection, listener));
    let output = sender.wait_with_output().unwrap();
    assert_eq!((output.status.code(), told(&output).lines().count()), (Some(2), 1), "{}", told(&output));
}

#[test]
fn mistakes_are_reported_in_one_line() {
    for arguments in [&[][..], &["."], &[".", "nowhere"], &["--frobnicate"], &[".", "http://127.0.0.1:1/", "x"]] {
        let output = send(arguments);
        assert_eq!((output.status.code(), told(&output).lines().count()), (Some(2), 1), "{}", told(&output));
    }
    assert!(String::from_utf8(send(&["--help"]).stdout).unwrap().contains("--form"));
}

const TREE: &str = "
import json, os, sys
files = [os.path.join(path, name) for path, _, names in os.walk(sys.argv[1]) for name in names]
print(json.dumps([len(files), sum(os.path.getsize(file) for file in files)]))
";
