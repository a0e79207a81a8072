//! Tests `examples/archive` end to end: the built program, a real client, and the unpacked archives.
//!
//! The sample has symbolic links and permissions, which not every system lets a test make.
#![cfg(unix)]

mod client;
mod downloads;
mod sample;
mod server;

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::net::TcpListener;
use std::process::Command;

use client::{ask, get, stall, with_response};
use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use hyper::{Method, StatusCode};
use pushpull_testing::example::run;
use sample::Contents;
use server::Server;

#[test]
fn the_page_lists_the_tree() {
    let (_home, tree) = sample::mixed();
    let server = Server::start(&tree);
    let page = get(server.address, "/");
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    for part in [
        "href=\"deep/\"",
        "href=\"deep/?zip\"",
        "href=\"deep/?tar.gz\"",
        "with space &amp; &lt;sign&gt;.txt",
        "href=\"with%20space%20%26%20%3Csign%3E.txt\"",
        "2001-09-09 01:46",
        "500 B",
        "href=\"?zip\"",
    ] {
        assert!(page.text().contains(part), "{part} is not on the page: {}", page.text());
    }
    let below = get(server.address, "/%C3%BCn%C3%AFc%C3%B6d%C3%A9/");
    assert!(below.text().contains("日本語.txt") && below.text().contains("<a href=\"/\">tree</a>"));
    let redirected = get(server.address, "/deep");
    assert_eq!((redirected.status, redirected.header("location")), (StatusCode::MOVED_PERMANENTLY, "/deep/"));
}

fn unzip(bytes: &[u8]) -> Contents {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut contents = Contents::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).unwrap();
        if file.is_symlink() {
            continue;
        }
        let path = file.enclosed_name().unwrap();
        if path.file_name().is_some_and(|name| name == "script.sh") {
            assert_eq!(file.unix_mode().unwrap() & 0o777, 0o755);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        contents.insert(path, file.is_file().then_some(bytes));
    }
    contents
}

fn untar(bytes: &[u8]) -> Contents {
    let mut contents = Contents::new();
    for entry in tar::Archive::new(GzDecoder::new(bytes)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let kind = entry.header().entry_type();
        if kind.is_symlink() {
            continue;
        }
        if path.ends_with("one") {
            assert_eq!(entry.header().mtime().unwrap(), 1_000_000_000);
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        contents.insert(path, kind.is_file().then_some(bytes));
    }
    contents
}

#[test]
fn archives_hold_the_tree() {
    let (home, tree) = sample::mixed();
    let server = Server::start(&tree);
    let zip = get(server.address, "/?zip");
    assert_eq!(zip.header("content-disposition"), "attachment; filename*=UTF-8''tree.zip");
    assert_eq!(unzip(zip.bytes()), sample::contents(&tree));
    let tar = get(server.address, "/?tar.gz");
    assert_eq!(untar(tar.bytes()), sample::contents(&tree));
    assert_eq!(untar(get(server.address, "/deep/er/?tar.gz").bytes()), sample::contents(&tree.join("deep/er")));
    assert_eq!(server.wait_for("done", 3).len(), 3);

    let file = home.path().join("tree.zip");
    fs::write(&file, zip.bytes()).unwrap();
    match Command::new("unzip").arg("-t").arg(&file).output() {
        Ok(tested) => assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stdout)),
        Err(error) if std::env::var_os("CI").is_some() => panic!("unzip did not run: {error}"),
        Err(error) => println!("skipped `unzip -t`: {error}"),
    }
}

#[test]
fn files_come_as_they_are() {
    let (_home, tree) = sample::mixed();
    let server = Server::start(&tree);
    let file = get(server.address, "/deep/er/and/deeper/noise.bin");
    assert_eq!(file.header("content-length"), "300000");
    assert_eq!(file.bytes()[..], sample::noise(300_000));
    assert_eq!(get(server.address, "/empty").bytes().len(), 0);
    assert_eq!(get(server.address, "/link").bytes()[..], [7], "a link that stays inside is followed");
    let head = ask(server.address, Method::HEAD, "/deep/er/and/deeper/noise.bin");
    assert_eq!((head.header("content-length"), head.bytes().len()), ("300000", 0));
    let head = ask(server.address, Method::HEAD, "/?zip");
    assert_eq!((head.header("content-type"), head.bytes().len()), ("application/zip", 0));
    let posted = ask(server.address, Method::POST, "/");
    assert_eq!((posted.status, posted.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"));
    assert_eq!(get(server.address, "/nothing").status, StatusCode::NOT_FOUND);
    assert_eq!(get(server.address, "/one?zip").status, StatusCode::NOT_FOUND);
}

#[test]
fn paths_outside_the_directory_are_refused() {
    let (_home, tree) = sample::mixed();
    let server = Server::start(&tree);
    for path in ["/../secret", "/deep/../../secret", "/%2e%2e/secret", "/..%2Fsecret", "/one%00", "/./one"] {
        assert_eq!(get(server.address, path).status, StatusCode::BAD_REQUEST, "{path}");
    }
    for path in ["/leak", "/leaking%20directory/", "/leaking%20directory/secret", "/leaking%20directory/?zip"] {
        assert_eq!(get(server.address, path).status, StatusCode::FORBIDDEN, "{path}");
    }
    let archive = get(server.address, "/?tar.gz");
    let mut unpacked = Vec::new();
    GzDecoder::new(&archive.bytes()[..]).read_to_end(&mut unpacked).unwrap();
    let leaked = b"a secret outside the tree";
    assert!(!unpacked.windows(leaked.len()).any(|window| window == leaked));
}

#[test]
fn law_2_a_file_that_cannot_be_read_truncates_the_download() {
    for format in ["zip", "tar.gz"] {
        let home = sample::of_noise(32 << 20);
        let shrinking = home.path().join("shrinking");
        fs::write(&shrinking, sample::noise(1 << 20)).unwrap();
        let server = Server::start(home.path());
        let (received, end) = with_response(server.address, Method::GET, &format!("/?{format}"), async |response| {
            let mut body = response.into_body();
            let mut received = body.frame().await.unwrap().unwrap().into_data().unwrap().to_vec();
            // The listing has been read, and the encoder is in the large file before the missing one.
            File::options().write(true).open(&shrinking).unwrap().set_len(10).unwrap();
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => received.extend_from_slice(frame.data_ref().unwrap()),
                    Err(error) => return (received, Some(error)),
                }
            }
            (received, None)
        });
        assert!(end.is_some(), "a truncated archive looks complete");
        assert!(received.len() > 32 << 20, "what was written before is missing");
        assert!(zip::ZipArchive::new(Cursor::new(&received)).is_err(), "what arrived has an archive's end");
        let line = server.wait_for("failed", 1).remove(0);
        assert!(line.contains("shrinking") && line.contains("ended"), "{line}");
        assert_eq!(get(server.address, "/").status, StatusCode::OK, "the server still runs");
    }
}

#[test]
fn a_pipe_in_the_tree_is_not_waited_for() {
    let (_home, tree) = sample::mixed();
    let made = Command::new("mkfifo").arg(tree.join("pipe")).status().unwrap();
    assert!(made.success());
    let server = Server::start(&tree);
    assert_eq!(get(server.address, "/pipe").status, StatusCode::BAD_REQUEST);
    assert_eq!(untar(get(server.address, "/?tar.gz").bytes()), sample::contents(&tree));
    assert!(server.wait_for("skipped", 1)[0].contains("tree/pipe"));
}

#[test]
fn a_sparse_file_of_512_mib_takes_no_memory() {
    const LEN: u64 = 512 << 20;
    let home = tempfile::tempdir().unwrap();
    File::create(home.path().join("sparse")).unwrap().set_len(LEN).unwrap();
    let server = Server::start(home.path());
    let packed = get(server.address, "/?tar.gz");
    let unpacked = io::copy(&mut GzDecoder::new(&packed.bytes()[..]), &mut io::sink()).unwrap();
    assert!(unpacked > LEN);
    let packed = get(server.address, "/?zip");
    let mut zip = zip::ZipArchive::new(Cursor::new(&packed.bytes()[..])).unwrap();
    assert_eq!(io::copy(&mut zip.by_index(0).unwrap(), &mut io::sink()).unwrap(), LEN);
    let peak = server.status("VmHWM");
    assert!(peak < 64 * 1024, "{peak} KiB");
}

#[test]
fn stalled_downloads_cost_no_thread() {
    const CLIENTS: usize = 100;
    /// The memory that a gzip encoder allocates, in KiB.
    const ENCODER: u64 = 403;
    let home = sample::of_noise(16 << 20);
    let server = Server::start(home.path());
    get(server.address, "/");
    let (threads, memory) = (server.status("Threads"), server.status("VmRSS"));
    let clients: Vec<_> = (0..CLIENTS).map(|_| stall(server.address, "/?tar.gz")).collect();
    server.wait_for("stalled", CLIENTS);
    assert_eq!(server.status("Threads"), threads);
    let each = (server.status("VmRSS") - memory) / CLIENTS as u64;
    println!("{each} KiB for each of {CLIENTS} stalled downloads");
    assert!(each < ENCODER + 256, "{each} KiB for each");
    assert_eq!(get(server.address, "/").status, StatusCode::OK, "others are served");
    drop(clients);
    server.wait_for("aborted", CLIENTS);
}

#[test]
fn law_7_an_aborted_download_stops_its_encoder() {
    let home = sample::of_noise(32 << 20);
    let server = Server::start(home.path());
    let directory = home.path().canonicalize().unwrap();
    let client = stall(server.address, "/?zip");
    server.wait_until("an open file", |server| server.open_files(&directory) > 0);
    drop(client);
    server.wait_for("aborted", 1);
    server.wait_until("the closing of its files", |server| server.open_files(&directory) == 0);
}

#[test]
fn mistakes_are_reported_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for arguments in
        [&["/no/such/directory"][..], &["--listen", &address], &["--listen"], &["--frobnicate"], &["a", "b"]]
    {
        let (code, out, err) = run("archive", arguments);
        assert_eq!((code, &out[..], err.lines().count()), (2, "", 1), "{arguments:?}: {err}");
        assert!(err.starts_with("archive: "), "{err}");
    }
    let (code, out, _) = run("archive", &["--help"]);
    assert!(code == 0 && out.contains("Examples:"));
}
