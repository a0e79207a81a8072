//! Large files in memory, of which the system sends parts by itself.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use tempfile::{TempDir, tempdir};

use super::{ask, get};
use crate::host::Serving;
use pushpull_testing::tls::Issued;
use pushpull_testing::wire::{Wire, exchange};

/// More than two parts, and no multiple of anything.
const LENGTH: usize = (2 << 20) + 345_678;

/// Returns bytes of which no two pieces are the same.
fn text() -> Vec<u8> {
    (0..LENGTH as u32 / 4 + 1)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .take(LENGTH)
        .collect()
}

/// Creates a root with a file, which has just been written and is therefore in memory.
fn root() -> (TempDir, Vec<u8>) {
    let (root, text) = (tempdir().unwrap(), text());
    fs::write(root.path().join("a.bin"), &text).unwrap();
    (root, text)
}

fn serve(root: &TempDir) -> Serving {
    Serving::start(&["--root", root.path().to_str().unwrap()])
}

#[test]
fn a_large_file_and_its_ranges_are_sent_byte_for_byte() {
    let (root, text) = root();
    let serving = serve(&root);
    assert!(get(serving.address, "/a.bin").body == text);
    for (first, last) in
        [(0, LENGTH - 1), (1, 40_000), (4095, 1 << 20), (4097, LENGTH - 2), (LENGTH - 33_000, LENGTH - 1)]
    {
        let part = ask(serving.address, "GET", "/a.bin", &[&format!("Range: bytes={first}-{last}")]);
        assert!(part.status == 206 && part.body == text[first..=last], "{first} to {last}");
    }
    let old = exchange(serving.address, "GET /a.bin HTTP/1.0\r\n\r\n");
    assert!(old.body() == text);
    serving.requests.wait_for(&format!(" {LENGTH} "), 2);
}

#[test]
fn large_files_follow_each_other_on_a_connection() {
    let (root, text) = root();
    fs::write(root.path().join("small"), "small").unwrap();
    let serving = serve(&root);
    let mut wire = Wire::connect(serving.address);
    let kept = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    wire.send(kept("/a.bin") + &kept("/small") + &kept("/a.bin"));
    for expected in [&text[..], b"small", &text] {
        wire.until("\r\n\r\n");
        let mut body = vec![0; expected.len()];
        wire.0.read_exact(&mut body).unwrap();
        assert!(body == expected);
    }
    serving.requests.wait_for(" done", 3);
}

#[test]
fn a_large_file_is_sent_over_https() {
    let (root, text) = root();
    let issued = Issued::new();
    let path = |path: PathBuf| path.into_os_string().into_string().unwrap();
    let files = [path(root.path().into()), path(issued.chain()), path(issued.key())];
    let serving = Serving::start(&["--root", &files[0], "--tls-certificate", &files[1], "--tls-key", &files[2]]);
    let request = "GET /a.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(issued.exchange(serving.address, request).unwrap().body() == text);
}

#[test]
fn a_large_file_is_sent_over_a_unix_socket() {
    let (root, text) = root();
    let listen = format!("unix:{}", root.path().join("socket").display());
    let _serving = Serving::start_on(&listen, &["--root", root.path().to_str().unwrap()], "socket");
    let mut stream = UnixStream::connect(root.path().join("socket")).unwrap();
    stream.write_all(b"GET /a.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert!(got.ends_with(&text) && got.len() < LENGTH + 1000);
}

/// A file of eight times the length, of which a client has read the head.
fn begun() -> (TempDir, PathBuf, Serving, Wire) {
    let (root, text) = root();
    let path = root.path().join("long");
    fs::write(&path, text.repeat(8)).unwrap();
    let serving = serve(&root);
    let mut wire = Wire::narrow(serving.address);
    wire.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n").until("\r\n\r\n");
    (root, path, serving, wire)
}

#[test]
fn a_large_file_that_becomes_shorter_is_cut() {
    let (_root, path, serving, mut wire) = begun();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(1000).unwrap();
    let got = wire.rest();
    assert!(got.text.len() < 8 * LENGTH);
    drop(wire);
    serving.requests.wait_for(" cut", 1);
    serving.troubles.wait_for("the file became shorter", 1);
}

#[test]
fn a_client_that_leaves_a_large_file_is_logged_with_what_it_got() {
    let (_root, _, serving, wire) = begun();
    drop(wire);
    let line = serving.requests.wait_for(" gone", 1).remove(0);
    assert!(!line.contains(&format!(" {} ", 8 * LENGTH)), "{line}");
}
