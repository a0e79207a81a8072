//! The page of a directory.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use tempfile::tempdir;

use super::{ask, fill, get};
use crate::host::{PUSHPULL, Serving};

/// Returns the names on a page, in order.
pub fn names(page: &str) -> Vec<String> {
    let links = page.split("<td class=\"name\"><a href=\"").skip(1);
    links.map(|link| link.split_once('>').unwrap().1.split('<').next().unwrap().to_owned()).collect()
}

#[test]
fn without_arguments_the_current_directory_is_listed_and_nothing_is_run() {
    let root = tempdir().unwrap();
    fill(root.path(), &[("a.txt", "content"), ("cgi-bin/run.sh", "#!/bin/sh\ntouch run\n"), ("sub/b.txt", "deep")]);
    let path = root.path().to_str().unwrap();
    let serving = Serving::start_by(&["env", "-C", path, PUSHPULL], &[], &[]);
    serving.requests.wait_for(&format!("serving files of {path} at http://127.0.0.1:"), 1);
    let page = get(serving.address, "/");
    assert_eq!((page.status, page.field("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(names(&page.text()), ["sub/", "a.txt"]);
    assert_eq!(get(serving.address, "/a.txt").text(), "content");
    assert_eq!(get(serving.address, "/cgi-bin/run.sh").status, 404);
    assert!(!root.path().join("cgi-bin/run").exists());
}

#[test]
fn a_directory_is_listed_only_if_asked() {
    let root = tempdir().unwrap();
    fill(root.path(), &[("sub/b.txt", "deep")]);
    let path = root.path().to_str().unwrap();
    let silent = Serving::start(&["--root", path]);
    assert_eq!(["/", "/sub/", "/sub"].map(|target| get(silent.address, target).status), [404; 3]);
    let serving = Serving::start(&["--root", path, "--listing", "--mount", "/m"]);
    assert_eq!(get(serving.address, "/m/sub").field("location"), Some("/m/sub/"));
    let page = get(serving.address, "/m/sub/");
    assert_eq!(names(&page.text()), ["..", "b.txt"]);
    assert!(
        page.text().contains("<h1>Index of <a href=\"../\">/m/</a><wbr><a href=\"./\">sub/</a></h1>"),
        "{}",
        page.text()
    );
    let head = ask(serving.address, "HEAD", "/m/sub/", &[]);
    assert_eq!((head.status, head.field("content-length")), (200, page.field("content-length")));
    assert_eq!(ask(serving.address, "POST", "/m/sub/", &[]).status, 405);
    assert!(page.field("content-security-policy").unwrap().starts_with("default-src 'none'"));
}

#[test]
fn a_page_is_sorted_by_name_size_or_date() {
    let root = tempdir().unwrap();
    for (name, length, days) in [("b.txt", 2000, 3), ("C.txt", 10, 1), ("a.txt", 500_000, 2)] {
        let file = File::create(root.path().join(name)).unwrap();
        file.set_len(length).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + days * 86_400)).unwrap();
    }
    fs::create_dir(root.path().join("z")).unwrap();
    let serving = Serving::start(&["--root", root.path().to_str().unwrap(), "--listing"]);
    for (target, order) in [
        ("/", ["z/", "a.txt", "b.txt", "C.txt"]),
        ("/?by=size", ["z/", "a.txt", "b.txt", "C.txt"]),
        ("/?by=date", ["z/", "b.txt", "a.txt", "C.txt"]),
        ("/?by=\"><script>", ["z/", "a.txt", "b.txt", "C.txt"]),
    ] {
        let page = get(serving.address, target.replace('"', "%22").replace('<', "%3C").replace('>', "%3E"));
        assert_eq!(names(&page.text()), order, "{target}");
        assert!(!page.text().contains("<script"), "{target}");
    }
    let page = get(serving.address, "/").text();
    for part in
        ["<td class=\"size\">2.0 KiB</td><td class=\"date\">12 Sep 2001 01:46</td>", "1 directory, 3 files, 490 KiB"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn a_huge_directory_is_shown_in_part() {
    let root = tempdir().unwrap();
    for number in 0..10_050 {
        File::create(root.path().join(format!("{number}.txt"))).unwrap();
    }
    let serving = Serving::start(&["--root", root.path().to_str().unwrap(), "--listing"]);
    let page = get(serving.address, "/").text();
    assert_eq!(names(&page).len(), 10_000);
    assert!(page.contains("There are more, which are not shown"));
}
