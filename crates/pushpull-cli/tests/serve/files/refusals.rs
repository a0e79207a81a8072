//! What is never sent: what lies outside of the root, what is no regular file, and what is hidden.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, FileType, Mode, mkfifoat, mknodat};
use tempfile::{TempDir, tempdir};

use super::listing::names as shown;
use super::{ask, fill, get};
use crate::host::{PUSHPULL, Serving};
use pushpull_testing::needed::there;

/// Creates a root inside of a directory with a secret.
fn tree() -> (TempDir, String) {
    let outer = tempdir().unwrap();
    fill(outer.path(), &[("secret.txt", "secret"), ("www/a.txt", "public"), ("www/sub/b.txt", "public")]);
    let root = outer.path().join("www").to_str().unwrap().to_owned();
    (outer, root)
}

#[test]
fn nothing_outside_of_the_root_is_sent() {
    let (outer, root) = tree();
    let inside = |name: &str| outer.path().join("www").join(name);
    symlink(outer.path().join("secret.txt"), inside("link.txt")).unwrap();
    symlink("../secret.txt", inside("relative.txt")).unwrap();
    symlink("a.txt", inside("inner.txt")).unwrap();
    symlink(outer.path(), inside("out")).unwrap();
    symlink("/proc/self/root", inside("magic")).unwrap();
    symlink(outer.path().join("secret.txt"), inside("a.txt.gz")).unwrap();
    symlink(outer.path().join("secret.txt"), inside("sub/index.html")).unwrap();
    let serving = Serving::start(&["--root", &root, "--listing"]);
    let targets: &[(&[u8], u16)] = &[
        (b"/../secret.txt", 400),
        (b"/sub/../../secret.txt", 400),
        (b"/%2e%2e/secret.txt", 400),
        (b"/.%2E/secret.txt", 400),
        (b"/sub/%2e%2e/%2e%2e/secret.txt", 400),
        (b"/..%2fsecret.txt", 400),
        (b"/sub%2fb.txt", 400),
        (b"/sub%2Fb.txt", 400),
        (b"/..%5csecret.txt", 404),
        (b"/..\\secret.txt", 404),
        (b"/%252e%252e/secret.txt", 404),
        (b"/%c0%ae%c0%ae/secret.txt", 404),
        (b"/a.txt%00", 400),
        (b"/a.txt%00.html", 400),
        (b"/%00", 400),
        (b"/a.txt%", 400),
        (b"/a.txt%zz", 400),
        (b"//a.txt", 404),
        (b"/sub//b.txt", 404),
        (b"//", 404),
        (b"/a.txt/", 404),
        (b"/a.txt/b", 404),
        (b"/A.TXT", 404),
        (b"/a.txt.", 404),
        (b"/a.txt%20", 404),
        (b"/link.txt", 404),
        (b"/relative.txt", 404),
        (b"/inner.txt", 404),
        (b"/out/secret.txt", 404),
        (b"/out/www/a.txt", 404),
        (b"/out/", 404),
        (b"/out", 404),
        (b"/magic/etc/passwd", 404),
        (b"/a.txt.gz", 404),
        (b"/sub/index.html", 404),
        (b"http://a/../secret.txt", 400),
        (b"secret.txt", 400),
        (b"*", 400),
    ];
    for (target, status) in targets {
        let answer = get(serving.address, target);
        assert_eq!(answer.status, *status, "{}", target.escape_ascii());
        assert!(!answer.text().contains("secret\n") && answer.text() != "secret", "{}", target.escape_ascii());
    }
    assert_eq!(ask(serving.address, "GET", "/a.txt", &["Accept-Encoding: gzip"]).text(), "public");
    let listing = get(serving.address, "/sub/");
    assert!(listing.status == 200 && listing.text().contains("b.txt") && !listing.text().contains("index.html"));
    assert_eq!(get(serving.address, format!("/{}", "a/".repeat(20_000))).status, 404);
    assert_eq!(get(serving.address, format!("/{}", "a".repeat(5000))).status, 404);
}

#[test]
fn a_link_that_is_swapped_in_is_not_followed() {
    let (outer, root) = tree();
    let serving = Serving::start(&["--root", &root]);
    let (done, www) = (AtomicBool::new(false), outer.path().join("www"));
    symlink(outer.path().join("secret.txt"), www.join("link")).unwrap();
    symlink(outer.path(), www.join("linked")).unwrap();
    fill(&www, &[("plain/secret.txt", "public"), ("file", "public")]);
    thread::scope(|scope| {
        // Each name is a link and a file, or a directory, in turn.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for (one, other) in [("link", "file"), ("linked", "plain")] {
                    let flags = rustix::fs::RenameFlags::EXCHANGE;
                    rustix::fs::renameat_with(CWD, www.join(one), CWD, www.join(other), flags).unwrap();
                }
            }
        });
        let _done = Done(&done);
        let mut sent = 0;
        for _ in 0..300 {
            for target in ["/file", "/plain/secret.txt"] {
                let answer = get(serving.address, target);
                assert!(matches!((answer.status, answer.text().as_str()), (200, "public") | (404, _)), "{answer:?}");
                sent += usize::from(answer.status == 200);
            }
        }
        assert!(sent > 0);
    });
}

/// Ends the other thread, also when this one panics.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn pipes_sockets_and_devices_are_nothing() {
    let (outer, root) = tree();
    let www = outer.path().join("www");
    mkfifoat(CWD, www.join("pipe"), Mode::RWXU).unwrap();
    let _listener = UnixListener::bind(www.join("socket")).unwrap();
    let mut names = vec!["pipe", "socket"];
    // Only root makes devices: `/dev/zero`.
    let device = rustix::fs::makedev(1, 5);
    if mknodat(CWD, www.join("device"), FileType::CharacterDevice, Mode::RWXU, device).is_ok() {
        names.push("device");
    }
    for links in [&["--listing"][..], &["--listing", "--follow-links"]] {
        let serving = Serving::start(&[&["--root", &root], links].concat());
        for name in &names {
            for method in ["GET", "HEAD"] {
                assert_eq!(ask(serving.address, method, format!("/{name}"), &[]).status, 404, "{name}");
            }
            assert!(!shown(&get(serving.address, "/").text()).iter().any(|other| other == name), "{name}");
        }
    }
}

#[test]
fn a_file_without_permission_is_403_and_logged() {
    if !there(&["setpriv"]) {
        return;
    }
    let (outer, root) = tree();
    fill(outer.path(), &[("www/closed/c.txt", "secret"), ("www/d.txt", "secret"), ("www/e/index.html", "secret")]);
    for name in ["closed", "d.txt", "e/index.html"] {
        rustix::fs::chmod(outer.path().join("www").join(name), Mode::empty()).unwrap();
    }
    // Root may read everything, unless it gives that up.
    let without = "--bounding-set=-dac_override,-dac_read_search";
    let starter = ["setpriv", "--inh-caps=-dac_override,-dac_read_search", without, PUSHPULL];
    let starter = if rustix::process::geteuid().is_root() { &starter[..] } else { &starter[3..] };
    let serving = Serving::start_by(starter, &["--root", &root, "--listing"], &[]);
    for target in ["/closed/c.txt", "/closed/", "/d.txt", "/e/"] {
        let answer = get(serving.address, target);
        assert_eq!((answer.status, answer.text().contains("secret")), (403, false), "{target}");
        serving.troubles.wait_for(&format!("GET {target}: 403 Forbidden"), 1);
    }
    rustix::fs::chmod(outer.path().join("www/closed"), Mode::RWXU).unwrap();
    assert_eq!(get(serving.address, "/closed/c.txt").status, 200);
}

#[test]
fn dot_files_backups_sources_and_hidden_names_are_nothing() {
    let (outer, root) = tree();
    let names = [
        ".env",
        ".git/config",
        ".htaccess",
        "sub/.secret",
        "a.txt~",
        "a.txt.bak",
        "A.BAK",
        "#a.txt#",
        ".a.txt.swp",
        "a.old",
        "a.orig",
        "config.php",
        "config.PHP",
        "config.php.gz",
        "config.php5",
        "db.inc",
        "x.phtml",
        "run.cgi",
        "data/pages/start.txt",
        "debug.log",
        "deep/data.log.gz",
    ];
    for name in names {
        fill(outer.path(), &[(&format!("www/{name}"), "secret")]);
    }
    fill(outer.path(), &[("www/.well-known/acme-challenge/x", "public"), ("www/deep/data/x", "public")]);
    let serving = Serving::start(&["--root", &root, "--listing", "--hide", "*.log", "--hide", "/data/"]);
    for name in names {
        let target = format!("/{}", name.replace('#', "%23"));
        let answer = get(serving.address, &target);
        assert_eq!((answer.status, answer.text().contains("secret")), (404, false), "{target}");
    }
    for target in ["/.git/", "/.git", "/data/", "/data", "/data/pages/", "/DATA/pages/start.txt", "/%23a.txt%23"] {
        assert_eq!(get(serving.address, target).status, 404, "{target}");
    }
    for target in ["/.well-known/acme-challenge/x", "/deep/data/x", "/a.txt"] {
        assert_eq!(get(serving.address, target).text(), "public", "{target}");
    }
    let listing = get(serving.address, "/").text();
    assert_eq!(shown(&listing), ["deep/", "sub/", "a.txt"], "{listing}");
}

#[test]
fn names_of_any_bytes_are_sent() {
    let root = tempdir().unwrap();
    let names: [&[u8]; 10] = [
        b"it's \"quoted\".txt",
        b"new\nline.txt",
        b"tab\t.txt",
        b"\xff\xfe.txt",
        "\u{4e2d}\u{6587}.txt".as_bytes(),
        b"a?b#c%41.txt",
        b"a:b.txt",
        b"back\\slash.txt",
        b"<script>&amp;.txt",
        b" space .txt",
    ];
    for name in names {
        fs::write(root.path().join(OsStr::from_bytes(name)), name).unwrap();
    }
    let serving = Serving::start(&["--root", root.path().to_str().unwrap(), "--listing"]);
    for name in names {
        let target: String = name.iter().map(|byte| format!("%{byte:02X}")).collect();
        let answer = get(serving.address, format!("/{target}"));
        assert_eq!((answer.status, &answer.body[..]), (200, name), "{}", name.escape_ascii());
        assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"));
    }
    // Each link of the listing leads to its file.
    let listing = get(serving.address, "/").text();
    let links = listing.split("<td class=\"name\"><a href=\"./").skip(1).map(|link| link.split('"').next().unwrap());
    let mut sent: Vec<_> =
        links.map(|link| get(serving.address, format!("/{}", html_escape::decode_html_entities(link))).body).collect();
    sent.sort();
    let mut expected = names.map(Vec::from);
    expected.sort();
    assert_eq!(sent, expected);
    assert!(!listing.contains("<script>") && !listing.contains("new\nline"), "{listing}");
    assert!(listing.contains("new\\x0aline.txt") && listing.contains("\\xff\\xfe.txt"), "{listing}");
}

#[test]
fn links_are_followed_if_asked() {
    let (outer, root) = tree();
    symlink(outer.path().join("secret.txt"), outer.path().join("www/link.txt")).unwrap();
    symlink(outer.path().join("www/sub"), outer.path().join("www/other")).unwrap();
    symlink("/no/such/place", outer.path().join("www/dead")).unwrap();
    symlink("loop", outer.path().join("www/loop")).unwrap();
    let serving = Serving::start(&["--root", &root, "--follow-links", "--listing"]);
    assert_eq!(get(serving.address, "/link.txt").text(), "secret");
    assert_eq!(get(serving.address, "/other/b.txt").text(), "public");
    assert_eq!(["/dead", "/loop"].map(|target| get(serving.address, target).status), [404; 2]);
    let listing = get(serving.address, "/").text();
    assert!(listing.contains("link.txt") && listing.contains("other/") && !listing.contains("dead"), "{listing}");
}

#[test]
fn a_root_that_vanishes_is_answered_and_logged() {
    let (outer, root) = tree();
    let serving = Serving::start(&["--root", &root]);
    fs::rename(&root, outer.path().join("away")).unwrap();
    let answer = get(serving.address, "/a.txt");
    assert_eq!((answer.status, answer.text().contains("www")), (500, false));
    serving.troubles.wait_for("GET /a.txt: 500 Internal Server Error: cannot look up /a.txt: No such file", 1);
    fs::rename(outer.path().join("away"), &root).unwrap();
    assert_eq!(get(serving.address, "/a.txt").text(), "public");
}
