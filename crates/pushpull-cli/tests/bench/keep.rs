//! Files of reports: files are replaced, links are followed, and pipes and sockets stay as they are.

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::thread;

use serde_json::Value;

use super::program::{Files, run};

/// Makes a quick run that writes its report to `file`.
fn kept(file: &str) -> (i32, String) {
    let (code, _, err) = run(&["--quick", "handoff", "--json", file]);
    (code, err)
}

#[test]
fn a_pipe_is_written_into_and_stays_a_pipe() {
    let files = Files::new();
    assert!(Command::new("mkfifo").arg(files.at("pipe")).status().unwrap().success());
    symlink("pipe", files.at("link")).unwrap();
    for name in ["pipe", "link"] {
        let pipe = files.at("pipe");
        let reader = thread::spawn(move || fs::read(pipe).unwrap());
        let told = kept(&files.name(name));
        // If the pipe was replaced, the reader would wait forever.
        assert!(fs::metadata(files.at("pipe")).unwrap().file_type().is_fifo(), "{name}");
        assert_eq!(told, (0, String::new()), "{name}");
        let report: Value = serde_json::from_slice(&reader.join().unwrap()).unwrap();
        assert_eq!(report["schema"], 1, "{name}");
    }
    assert!(fs::symlink_metadata(files.at("link")).unwrap().is_symlink());
    assert_eq!(fs::read_dir(files.path()).unwrap().count(), 2);
}

#[test]
fn a_socket_is_refused_and_stays() {
    let files = Files::new();
    let _listener = UnixListener::bind(files.at("socket")).unwrap();
    let (code, err) = kept(&files.name("socket"));
    assert_eq!((code, err.lines().count()), (2, 1), "{err}");
    assert!(err.contains("cannot write") && err.contains("socket"), "{err}");
    assert!(fs::metadata(files.at("socket")).unwrap().file_type().is_socket());
}

#[test]
fn a_link_is_followed_to_what_it_names() {
    let files = Files::new();
    fs::create_dir(files.at("kept")).unwrap();
    fs::write(files.at("kept/old.json"), "old").unwrap();
    symlink("kept/old.json", files.at("one")).unwrap();
    symlink("one", files.at("two")).unwrap();
    symlink(files.at("kept/new.json"), files.at("new")).unwrap();
    for (link, file) in [("two", "kept/old.json"), ("new", "kept/new.json")] {
        assert_eq!(kept(&files.name(link)), (0, String::new()), "{link}");
        assert!(fs::symlink_metadata(files.at(link)).unwrap().is_symlink(), "{link}");
        assert_eq!(files.json(file)["schema"], 1, "{link}");
    }
    assert_eq!(fs::read_dir(files.at("kept")).unwrap().count(), 2);
}

#[test]
fn dangling_links_are_reported_before_anything_is_measured() {
    let files = Files::new();
    symlink("circle", files.at("circle")).unwrap();
    symlink("no/such/file", files.at("nowhere")).unwrap();
    for link in ["circle", "nowhere"] {
        let (code, out, _) = run(&["--quick", "handoff", "--json", &files.name(link)]);
        assert_eq!((code, &out[..]), (2, ""), "{link}");
        assert!(fs::symlink_metadata(files.at(link)).unwrap().is_symlink(), "{link}");
    }
}
