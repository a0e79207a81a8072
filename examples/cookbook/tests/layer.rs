//! The gzip layer: `curl` requests and decompresses.

mod support;

use std::io::Read;
use std::process::{Command, Stdio};

use pushpull_testing::needed::there;
use support::server::Server;
use support::tools::{curl_for, python, run};

/// The maximum memory of the server, in KiB.
const BOUND: u64 = 16 * 1024;

fn start() -> Server {
    Server::start(env!("CARGO_BIN_EXE_gzip_layer"))
}

fn head(server: &Server, coding: &str, path: &str) -> String {
    let coding = format!("accept-encoding: {coding}");
    let head = curl_for(&["--dump-header", "-", "--output", "/dev/null", "--header", &coding, &server.url(path)]);
    head.to_lowercase()
}

#[test]
fn the_decompressed_body_is_complete_in_little_memory() {
    if !there(&["curl", "gzip", "python3", "sh"]) {
        return;
    }
    let server = start();
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str| home.path().join(name).display().to_string();
    let url = server.url("/sun.csv?days=900");
    run("curl", &["--silent", "--fail", "--output", &file("plain"), &url]);
    run("curl", &["--silent", "--fail", "--compressed", "--output", &file("unpacked"), &url]);
    run("curl", &["--silent", "--fail", "--header", "accept-encoding: gzip", "--output", &file("packed.gz"), &url]);
    server.peak_is_below(BOUND, "sun.csv, packed", std::fs::metadata(file("plain")).unwrap().len());
    run("cmp", &[&file("plain"), &file("unpacked")]);
    run("gzip", &["--test", &file("packed.gz")]);
    let factor = python(
        "import os, sys; print(os.path.getsize(sys.argv[1]) / os.path.getsize(sys.argv[2]))",
        &[&file("plain"), &file("packed.gz")],
    );
    assert!(factor.parse::<f64>().unwrap() > 2.0, "{factor}");
}

#[test]
fn only_suitable_bodies_are_compressed_and_only_if_accepted() {
    if !there(&["curl"]) {
        return;
    }
    let server = start();
    let packed = "content-encoding: gzip";
    for path in ["/sun.csv?days=1", "/sun.html?days=1"] {
        assert!(head(&server, "br, gzip;q=0.5", path).contains(packed), "{path}");
        for coding in ["identity", "br", "gzip;q=0"] {
            let head = head(&server, coding, path);
            assert!(!head.contains(packed) && head.contains("vary: accept-encoding"), "{coding}: {head}");
        }
    }
    assert!(!head(&server, "gzip", "/mandelbrot.png?width=100").contains(packed));
}

#[test]
fn law_7_a_disconnect_stops_the_program_behind_the_filter() {
    if !there(&["curl"]) {
        return;
    }
    let server = start();
    for round in 1..=10 {
        let mut command = Command::new("curl");
        command.args(["--silent", "--no-buffer", "--limit-rate", "1M", "--header", "accept-encoding: gzip"]);
        let mut client = command.arg(server.url("/sun.csv?days=36525")).stdout(Stdio::piped()).spawn().unwrap();
        client.stdout.as_mut().unwrap().read_exact(&mut [0; 64 * 1024]).unwrap();
        client.kill().unwrap();
        client.wait().unwrap();
        server.log.wait_for("stopped  text/csv", round);
    }
    let peak = server.status("VmHWM");
    println!("10 downloads cut off: a peak of {peak} KiB");
    assert!(peak < BOUND, "{peak} KiB");
}
