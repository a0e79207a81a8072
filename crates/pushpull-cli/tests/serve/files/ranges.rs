//! Parts of files, and files that change or are huge.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime};

use tempfile::{TempDir, tempdir, tempdir_in};

use super::{ask, fill, get};
use crate::host::Serving;
use pushpull_testing::wire::Wire;

fn serve(root: &TempDir) -> Serving {
    Serving::start(&["--root", root.path().to_str().unwrap()])
}

#[test]
fn one_range_is_answered_with_a_part() {
    let root = tempdir().unwrap();
    fill(root.path(), &[("a", "0123456789"), ("empty", "")]);
    let serving = serve(&root);
    for (range, status, text, part) in [
        ("bytes=2-4", 206, "234", Some("bytes 2-4/10")),
        ("Bytes=2-4", 206, "234", Some("bytes 2-4/10")),
        ("bytes=7-", 206, "789", Some("bytes 7-9/10")),
        ("bytes=-3", 206, "789", Some("bytes 7-9/10")),
        ("bytes=-300", 206, "0123456789", Some("bytes 0-9/10")),
        ("bytes=8-99999999999999999999999", 206, "89", Some("bytes 8-9/10")),
        ("bytes=10-", 416, "", Some("bytes */10")),
        ("bytes=-0", 416, "", Some("bytes */10")),
        ("bytes=99999999999999999999999-", 416, "", Some("bytes */10")),
        // Ignored, as RFC 9110 (14.2) allows or demands.
        ("bytes=0-1,3-4", 200, "0123456789", None),
        ("bytes=4-2", 200, "0123456789", None),
        ("bytes=x", 200, "0123456789", None),
        ("items=0-1", 200, "0123456789", None),
        ("", 200, "0123456789", None),
    ] {
        let answer = ask(serving.address, "GET", "/a", &[&format!("Range: {range}")]);
        assert_eq!((answer.status, answer.text().as_str()), (status, text), "{range}");
        assert_eq!(answer.field("content-range"), part, "{range}");
    }
    let many = format!("Range: bytes={}", "0-,".repeat(15_000));
    assert_eq!(ask(serving.address, "GET", "/a", &[&many]).text(), "0123456789");
    let twice = ask(serving.address, "GET", "/a", &["Range: bytes=0-1", "Range: bytes=3-4"]);
    assert_eq!((twice.status, twice.text().as_str()), (200, "0123456789"));
    assert_eq!(ask(serving.address, "HEAD", "/a", &["Range: bytes=2-4"]).status, 200);
    let empty = ask(serving.address, "GET", "/empty", &["Range: bytes=0-"]);
    assert_eq!((empty.status, empty.field("content-range")), (416, Some("bytes */0")));
}

#[test]
fn a_range_of_a_file_that_has_changed_is_answered_with_the_whole() {
    let root = tempdir().unwrap();
    fill(root.path(), &[("a", "0123456789"), ("b", "0123456789"), ("b.gz", "compressed")]);
    let serving = serve(&root);
    let set = |age| {
        let file = OpenOptions::new().write(true).open(root.path().join("a")).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        let answer = get(serving.address, "/a");
        (answer.field("etag").unwrap().to_owned(), answer.field("last-modified").unwrap().to_owned())
    };
    let part = |condition: &str| {
        let condition = format!("If-Range: {condition}");
        ask(serving.address, "GET", "/a", &["Range: bytes=2-4", &condition]).status
    };
    let (old_tag, old_date) = set(Duration::from_secs(1000));
    assert_eq!([&old_tag, &old_date].map(|condition| part(condition)), [206, 206]);
    // A weak tag never suffices.
    assert_eq!([&format!("W/{old_tag}"), "\"x\"", "soon"].map(part), [200; 3]);
    let (tag, _) = set(Duration::from_secs(500));
    assert_eq!([part(&tag), part(&old_tag), part(&old_date)], [206, 200, 200]);
    // The file could change again within the second of its date.
    let (tag, date) = set(Duration::ZERO);
    assert_eq!([part(&tag), part(&date)], [206, 200]);
    // The tag of another form of the file.
    let plain = get(serving.address, "/b").field("etag").unwrap().to_owned();
    let lines = ["Accept-Encoding: gzip", "Range: bytes=0-1", &format!("If-Range: {plain}")];
    assert_eq!(ask(serving.address, "GET", "/b", &lines).text(), "compressed");
    assert_eq!(ask(serving.address, "GET", "/b", &lines[1..]).text(), "01");
    // Conditions come first.
    let current = format!("If-None-Match: {tag}");
    assert_eq!(ask(serving.address, "GET", "/a", &["Range: bytes=2-4", &current]).status, 304);
}

#[test]
fn a_huge_file_takes_no_memory() {
    const LENGTH: u64 = 5 << 30;
    let root = tempdir().unwrap();
    let file = File::create(root.path().join("huge")).unwrap();
    file.set_len(LENGTH).unwrap();
    file.write_all_at(b"end", LENGTH - 3).unwrap();
    let serving = serve(&root);
    let head = ask(serving.address, "HEAD", "/huge", &[]);
    assert_eq!(head.field("content-length"), Some(&*LENGTH.to_string()));
    let end = ask(serving.address, "GET", "/huge", &["Range: bytes=5368709117-"]);
    assert_eq!((end.status, end.text().as_str()), (206, "end"));
    assert_eq!(end.field("content-range"), Some("bytes 5368709117-5368709119/5368709120"));
    let middle = ask(serving.address, "GET", "/huge", &["Range: bytes=4294967295-4395630591"]);
    assert_eq!((middle.status, middle.body.len()), (206, 100_663_297));
    let before = serving.status("VmRSS");
    let mut wires: Vec<_> = (0..20).map(|_| Wire::narrow(serving.address)).collect();
    for wire in &mut wires {
        wire.send("GET /huge HTTP/1.1\r\nHost: a\r\n\r\n").until("\r\n\r\n");
    }
    drop(wires);
    serving.requests.wait_for(" gone", 20);
    let after = serving.status("VmRSS");
    assert!(after < before + 50_000, "{before} KiB, then {after} KiB");
}

#[test]
fn a_file_that_becomes_shorter_is_cut() {
    const LENGTH: u64 = 64 << 20;
    let root = tempdir().unwrap();
    let file = File::create(root.path().join("log")).unwrap();
    file.set_len(LENGTH).unwrap();
    let serving = serve(&root);
    let mut wire = Wire::narrow(serving.address);
    wire.send("GET /log HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").until("\r\n\r\n");
    file.set_len(1000).unwrap();
    assert!((wire.rest().text.len() as u64) < LENGTH);
    drop(wire);
    serving.requests.wait_for(" cut", 1);
    serving.troubles.wait_for("the file became shorter", 1);
}

#[test]
fn a_file_that_grows_is_sent_as_long_as_it_was() {
    let root = tempdir().unwrap();
    let path = root.path().join("log");
    File::create(&path).unwrap().set_len(64 << 20).unwrap();
    let serving = serve(&root);
    let mut wire = Wire::narrow(serving.address);
    wire.send("GET /log HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").until("\r\n\r\n");
    OpenOptions::new().append(true).open(&path).unwrap().write_all(&[b'x'; 100_000]).unwrap();
    let got = wire.rest();
    assert_eq!((got.text.len(), got.error), (64 << 20, None));
    assert!(!got.text.contains(&b'x'));
    serving.requests.wait_for(" done", 1);
}

#[test]
fn a_file_system_on_which_every_read_may_wait_is_served() {
    // Here reads without waiting are not supported, so that another thread reads.
    let Ok(root) = tempdir_in("/dev/shm") else { return };
    let text: String = (0..100_000).map(|number| format!("{number}\n")).collect();
    fill(root.path(), &[("a.txt", &text)]);
    let serving = serve(&root);
    assert_eq!(get(serving.address, "/a.txt").text(), text);
    let part = ask(serving.address, "GET", "/a.txt", &["Range: bytes=100000-300000"]);
    assert_eq!(part.text(), text[100_000..=300_000]);
}
