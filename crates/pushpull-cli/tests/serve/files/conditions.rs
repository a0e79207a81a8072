//! A file as a response: its type, its validators, the conditions of the request, and precompressed forms.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use tempfile::tempdir;

use super::{ask, fill, get};
use crate::host::Serving;

fn serve(root: &tempfile::TempDir) -> Serving {
    Serving::start(&["--root", root.path().to_str().unwrap()])
}

#[test]
fn a_file_has_its_type_length_and_validators() {
    let root = tempdir().unwrap();
    fill(root.path(), &[("empty.txt", ""), ("a", "plain"), ("sub/index.html", "<p>index")]);
    for (name, kind) in [
        ("a.html", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.png", "image/png"),
        ("a.svg", "image/svg+xml"),
        ("a.json", "application/json"),
        ("a.wasm", "application/wasm"),
        ("a", "application/octet-stream"),
        ("a.no-such", "application/octet-stream"),
    ] {
        fill(root.path(), &[(name, "content")]);
        let serving = serve(&root);
        let answer = get(serving.address, format!("/{name}"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "content"), "{name}");
        assert_eq!(answer.field("content-type"), Some(kind), "{name}");
        assert_eq!(answer.field("content-length"), Some("7"));
        assert_eq!(answer.field("accept-ranges"), Some("bytes"));
        assert!(answer.field("etag").is_some_and(|tag| tag.starts_with('"')), "{answer:?}");
        assert!(answer.field("last-modified").is_some_and(|date| date.ends_with(" GMT")), "{answer:?}");
        let head = ask(serving.address, "HEAD", format!("/{name}"), &[]);
        let own =
            |lines: &[String]| lines.iter().filter(|line| !line.starts_with("date: ")).cloned().collect::<Vec<_>>();
        assert_eq!((head.status, head.body.len(), own(&head.fields)), (200, 0, own(&answer.fields)));
    }
    let serving = serve(&root);
    let empty = get(serving.address, "/empty.txt");
    assert_eq!((empty.status, empty.body.len(), empty.field("content-length")), (200, 0, Some("0")));
    assert_eq!(get(serving.address, "/sub/").text(), "<p>index");
    serving.requests.wait_for("GET /sub/ HTTP/1.1 200 8 ", 1);
}

#[test]
fn a_client_that_has_the_file_is_not_sent_it_again() {
    let root = tempdir().unwrap();
    fill(root.path(), &[("a.txt", "content")]);
    let serving = serve(&root);
    let first = get(serving.address, "/a.txt");
    let (tag, date) = (first.field("etag").unwrap(), first.field("last-modified").unwrap());
    let old = "Thu, 01 Jan 2015 00:00:00 GMT";
    let line = |name: &str, value: &str| format!("{name}: {value}");
    for (lines, status) in [
        (vec![line("If-None-Match", tag)], 304),
        (vec![line("If-None-Match", &format!("W/{tag}"))], 304),
        (vec![line("If-None-Match", &format!("\"x,y\", {tag}"))], 304),
        (vec![line("If-None-Match", "\"x\""), line("If-None-Match", tag)], 304),
        (vec![line("If-None-Match", "*")], 304),
        (vec![line("If-None-Match", "\"x\"")], 200),
        (vec![line("If-Modified-Since", date)], 304),
        (vec![line("If-Modified-Since", old)], 200),
        (vec![line("If-Modified-Since", "soon")], 200),
        // The tag decides (RFC 9110, 13.1.3).
        (vec![line("If-None-Match", "\"x\""), line("If-Modified-Since", date)], 200),
        (vec![line("If-Match", tag)], 200),
        (vec![line("If-Match", "*")], 200),
        (vec![line("If-Match", &format!("W/{tag}"))], 412),
        (vec![line("If-Match", "\"x\"")], 412),
        (vec![line("If-Unmodified-Since", date)], 200),
        (vec![line("If-Unmodified-Since", old)], 412),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for method in ["GET", "HEAD"] {
            let answer = ask(serving.address, method, "/a.txt", &lines);
            let is_sent = status == 200 && method == "GET";
            assert_eq!((answer.status, answer.text() == "content"), (status, is_sent), "{method} {lines:?}");
            if status == 304 {
                assert_eq!((answer.field("etag"), answer.field("vary")), (Some(tag), Some("accept-encoding")));
            }
        }
    }
    fill(root.path(), &[("a.txt", "changed")]);
    assert_eq!(ask(serving.address, "GET", "/a.txt", &[&line("If-None-Match", tag)]).text(), "changed");
}

#[test]
fn a_precompressed_form_is_sent_to_clients_that_accept_it() {
    let root = tempdir().unwrap();
    fill(
        root.path(),
        &[("a.css", "plain"), ("a.css.gz", "gzipped"), ("a.css.br", "brotli"), ("b", "plain"), ("b.zst", "z")],
    );
    fs::create_dir(root.path().join("b.gz")).unwrap();
    let serving = serve(&root);
    for (accepted, coding, text) in [
        ("gzip", Some("gzip"), "gzipped"),
        ("gzip, br", Some("br"), "brotli"),
        ("gzip;q=1, br;q=0.5", Some("gzip"), "gzipped"),
        ("br;q=0, gzip", Some("gzip"), "gzipped"),
        ("gzip;q=0", None, "plain"),
        ("zstd", None, "plain"),
        ("identity", None, "plain"),
        ("", None, "plain"),
    ] {
        let line = format!("Accept-Encoding: {accepted}");
        let answer = ask(serving.address, "GET", "/a.css", &[&line]);
        assert_eq!((answer.text().as_str(), answer.field("content-encoding")), (text, coding), "{accepted}");
        assert_eq!(answer.field("content-type"), Some("text/css; charset=utf-8"));
        assert_eq!(answer.field("vary"), Some("accept-encoding"));
        let head = ask(serving.address, "HEAD", "/a.css", &[&line]);
        assert_eq!(head.field("content-length"), Some(&*text.len().to_string()));
        assert_eq!(head.field("etag"), answer.field("etag"));
        let range = ask(serving.address, "GET", "/a.css", &[&line, "Range: bytes=-2"]);
        assert_eq!((range.status, range.text().as_str()), (206, &text[text.len() - 2..]));
    }
    let zstd = ask(serving.address, "GET", "/b", &["Accept-Encoding: gzip, zstd"]);
    assert_eq!((zstd.text().as_str(), zstd.field("content-encoding")), ("z", Some("zstd")));
    // Asked for by its own name, it is a file of its own.
    let own = ask(serving.address, "GET", "/a.css.gz", &["Accept-Encoding: gzip"]);
    assert_eq!((own.text().as_str(), own.field("content-encoding")), ("gzipped", None));
    assert_eq!(own.field("content-type"), Some("application/gzip"));
}

#[test]
fn a_time_that_http_cannot_name_is_left_out() {
    let root = tempdir().unwrap();
    let serving = serve(&root);
    let now = SystemTime::now();
    for (time, has_date) in [
        (SystemTime::UNIX_EPOCH - Duration::from_secs(1000), false),
        (now + Duration::from_secs(100_000), false),
        (now - Duration::from_secs(100_000), true),
    ] {
        let file = File::create(root.path().join("a.txt")).unwrap();
        file.set_modified(time).unwrap();
        let answer = get(serving.address, "/a.txt");
        assert_eq!((answer.status, answer.field("last-modified").is_some()), (200, has_date), "{time:?}");
    }
}

#[test]
fn a_file_is_only_read() {
    let root = tempdir().unwrap();
    fill(root.path(), &[("a.txt", "content"), ("sub/index.html", "")]);
    let serving = serve(&root);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
        for target in ["/a.txt", "/sub/", "/sub"] {
            let answer = ask(serving.address, method, target, &["Content-Length: 0"]);
            assert_eq!((answer.status, answer.field("allow")), (405, Some("GET, HEAD")), "{method} {target}");
        }
        assert_eq!(ask(serving.address, method, "/none", &["Content-Length: 0"]).status, 404);
    }
}

#[test]
fn a_directory_is_its_index_or_a_redirect_to_it() {
    let root = tempdir().unwrap();
    fill(
        root.path(),
        &[("index.html", "top"), ("s\u{fc}b/index.html", "sub"), ("s\u{fc}b/other.htm", "other"), ("bare/x", "")],
    );
    let path = root.path().to_str().unwrap();
    let serving = Serving::start(&["--root", path, "--mount", "/m"]);
    assert_eq!(get(serving.address, "/m/").text(), "top");
    assert_eq!(get(serving.address, "/m/s%C3%BCb/").text(), "sub");
    for (target, place) in [("/m", "/m/"), ("/m?q", "/m/?q"), ("/m/s%c3%bcb?a=b", "/m/s%C3%BCb/?a=b")] {
        let answer = get(serving.address, target);
        assert_eq!((answer.status, answer.field("location")), (301, Some(place)));
    }
    for target in ["/m/bare", "/m/bare/", "/", "/index.html", "/mm/"] {
        assert_eq!(get(serving.address, target).status, 404, "{target}");
    }
    let other = Serving::start(&["--root", path, "--index", "none.htm", "--index", "other.htm"]);
    assert_eq!(get(other.address, "/s%C3%BCb/").text(), "other");
    assert_eq!(get(other.address, "/").status, 404);
}
