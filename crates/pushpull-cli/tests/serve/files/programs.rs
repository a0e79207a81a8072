//! Programs among files: by prefix, by name, one for everything else, and behind an upstream.

use std::fs;
use std::path::Path;

use pushpull_testing::program;
use tempfile::tempdir;

use super::{ask, fill, get};
use crate::front::fastcgi_outcome;
use crate::host::Scripts;
use crate::host::Serving;
use crate::upstream::Application;

const TELL: &str = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n\
    for name in SCRIPT_NAME PATH_INFO PATH_TRANSLATED SCRIPT_FILENAME DOCUMENT_ROOT QUERY_STRING; do\n\
    eval \"printf '%s=%s\\n' $name \\\"\\${$name-unset}\\\"\"; done; pwd; cat\n";

/// Writes executable files.
fn programs(root: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        program::write(path, text);
    }
}

#[test]
fn programs_are_found_by_prefix_and_by_name() {
    let root = tempdir().unwrap();
    programs(
        root.path(),
        &[("cgi-bin/tell", TELL), ("cgi-bin/deep/tell.txt", TELL), ("sub/tell.cgi", TELL), ("a.pl", TELL)],
    );
    programs(root.path(), &[("sub/index.cgi", TELL)]);
    fill(root.path(), &[("page.html", "page"), ("sub/page.txt", "page")]);
    let path = root.path().to_str().unwrap();
    let arguments = ["--root", path, "--mount", "/m", "--cgi-bin", "/cgi-bin/", "--cgi", "*.cgi,*.pl", "--env", "X=y"];
    let serving = Serving::start(&arguments);
    for (target, name, rest) in [
        ("/cgi-bin/tell", "/cgi-bin/tell", ""),
        ("/cgi-bin/tell/", "/cgi-bin/tell", "/"),
        ("/cgi-bin/tell/x%20y/z", "/cgi-bin/tell", "/x y/z"),
        ("/cgi-bin/deep/tell.txt/x", "/cgi-bin/deep/tell.txt", "/x"),
        ("/sub/tell.cgi/.git/a~", "/sub/tell.cgi", "/.git/a~"),
        ("/sub/", "/sub/index.cgi", ""),
        ("/a.pl", "/a.pl", ""),
    ] {
        let answer = get(serving.address, format!("/m{target}?a=b"));
        let directory = Path::new(&format!("{path}{name}")).parent().unwrap().display().to_string();
        let translated = if rest.is_empty() { "unset".to_owned() } else { format!("{path}{rest}") };
        let expected = format!(
            "SCRIPT_NAME=/m{name}\nPATH_INFO={rest}\nPATH_TRANSLATED={translated}\nSCRIPT_FILENAME={path}{name}\n\
             DOCUMENT_ROOT={path}\nQUERY_STRING=a=b\n{directory}\n"
        );
        assert_eq!((answer.status, answer.text()), (200, expected), "{target}");
    }
    assert_eq!(get(serving.address, "/m/page.html").text(), "page");
    assert_eq!(get(serving.address, "/m/sub/page.txt").text(), "page");
    assert_eq!(get(serving.address, "/m/sub").status, 301);
    assert_eq!(get(serving.address, "/cgi-bin/tell").status, 404);
    // A program gets every method, and the body.
    let sent = ask(serving.address, "PROPFIND", "/m/a.pl", &["Content-Length: 0"]);
    assert_eq!(sent.status, 200);
    serving.requests.wait_for("PROPFIND /m/a.pl ", 1);
}

#[test]
fn a_program_is_never_sent_as_text() {
    let root = tempdir().unwrap();
    let source = "#!/bin/sh\n# source\nprintf 'A: b\\n\\nrun'\n";
    programs(root.path(), &[("x.py", source), ("X.PY", source), ("cgi-bin/y", source), ("cgi-bin/z.txt", source)]);
    fill(root.path(), &[("x.py.gz", source), ("x.py.br", source), ("x.py~", source), ("x.py.bak", source)]);
    fill(root.path(), &[("cgi-bin/.hidden", source), ("cgi-bin/y~", source), ("x.pyc", "bytes")]);
    let path = root.path().to_str().unwrap();
    let serving = Serving::start(&["--root", path, "--cgi", "*.py", "--cgi-bin", "/cgi-bin", "--listing"]);
    for (target, status) in [
        ("/x.py", 200),
        ("/x.py/", 200),
        ("/x.py/x.py", 200),
        ("/x%2Epy", 200),
        ("/cgi-bin/y", 200),
        ("/cgi-bin/z.txt", 200),
        ("/X.PY", 404),
        ("/x.PY", 404),
        ("//x.py", 404),
        ("/x.py.gz", 404),
        ("/x.py.br", 404),
        ("/x.py.", 404),
        ("/x.py%20", 404),
        ("/x.py~", 404),
        ("/x.py.bak", 404),
        ("/x.p%E2%80%8By", 404),
        ("/cgi-bin", 404),
        ("/cgi-bin/", 404),
        ("//cgi-bin/y", 404),
        ("/cgi-bin//y", 404),
        ("/CGI-BIN/y", 404),
        ("/cgi-bin/y~", 404),
        ("/cgi-bin/.hidden", 404),
        ("/cgi-bin/none", 404),
        ("/none.py", 404),
        ("/cgi-bin%2Fy", 400),
        ("/x.py%00", 400),
    ] {
        for accepted in ["identity", "gzip, br"] {
            let answer = ask(serving.address, "GET", target, &[&format!("Accept-Encoding: {accepted}")]);
            assert_eq!(answer.status, status, "{target}");
            assert!(!answer.text().contains("source"), "{target}: {}", answer.text());
            assert!(status != 200 || answer.text() == "run", "{target}");
        }
    }
    assert_eq!(get(serving.address, "/x.pyc").text(), "bytes");
    let listing = get(serving.address, "/").text();
    assert!(listing.contains("x.py\"") && !listing.contains("X.PY") && !listing.contains("x.py."), "{listing}");
}

#[test]
fn a_program_that_is_not_executable_is_500_and_the_log_says_what_to_do() {
    let root = tempdir().unwrap();
    fill(root.path(), &[("cgi-bin/plain", "#!/bin/sh\n# source\n")]);
    let serving = Serving::start(&["--root", root.path().to_str().unwrap(), "--cgi-bin", "/cgi-bin/"]);
    let answer = get(serving.address, "/cgi-bin/plain");
    assert_eq!((answer.status, answer.text().contains("source")), (500, false));
    let line = serving.troubles.wait_for("GET /cgi-bin/plain: 500 ", 1).remove(0);
    assert!(line.contains("not executable") && line.contains("chmod +x"), "{line}");
}

#[test]
fn one_program_gets_what_is_no_file() {
    let root = tempdir().unwrap();
    fill(root.path(), &[("style.css", "style"), ("old.php", "source"), (".env", "source")]);
    let scripts = Scripts::new();
    let program = scripts.sh("app", "printf 'Content-Type: text/plain\\n\\n%s %s' \"$PATH_INFO\" \"$REQUEST_METHOD\"");
    let serving = Serving::start(&["--root", root.path().to_str().unwrap(), "--", &program]);
    for (method, target, expected) in [
        ("GET", "/style.css", "style"),
        ("GET", "/", "/ GET"),
        ("POST", "/pretty/url", "/pretty/url POST"),
        ("GET", "/old.php", "/old.php GET"),
        ("GET", "/.env", "/.env GET"),
        ("GET", "//style.css", "//style.css GET"),
    ] {
        assert_eq!(ask(serving.address, method, target, &[]).text(), expected, "{target}");
    }
    assert_eq!(ask(serving.address, "POST", "/style.css", &[]).status, 405);
}

#[test]
fn files_beside_an_upstream_are_sent_and_its_scripts_are_not() {
    let scripts = Scripts::new();
    let text = r#"printf 'A: b\n\n%s|%s|%s' "$SCRIPT_NAME" "$PATH_INFO" "$SCRIPT_FILENAME""#;
    let (_application, address) = Application::start(&scripts, text);
    let root = tempdir().unwrap();
    fill(
        root.path(),
        &[("index.php", "source"), ("admin/index.html", "admin"), ("lib/a.css", "style"), ("lib/b.inc", "source")],
    );
    let path = root.path().to_str().unwrap();
    let serving = Serving::start(&["--upstream", &address, "--root", path]);
    for (target, status, text) in [
        ("/", 200, format!("/index.php||{path}/index.php")),
        ("/index.php/x", 200, format!("/index.php|/x|{path}/index.php")),
        ("/lib/a.css", 200, "style".to_owned()),
        ("/admin/", 200, "admin".to_owned()),
    ] {
        let answer = get(serving.address, target);
        assert_eq!((answer.status, answer.text()), (status, text), "{target}");
    }
    for target in ["/lib/b.inc", "/index.PHP", "/index.php.gz", "/none.php", "/pretty/url", "/lib/"] {
        let answer = get(serving.address, target);
        assert_eq!((answer.status, answer.text().contains("source")), (404, false), "{target}");
    }
    // As a front controller, the index gets the rest too.
    let serving = Serving::start(&["--upstream", &address, "--root", path, "--index", "index.php"]);
    for (target, text) in [
        ("/pretty/url", format!("/index.php|/pretty/url|{path}/index.php")),
        ("/lib/", format!("/index.php|/lib/|{path}/index.php")),
        ("/lib/b.inc", format!("/index.php|/lib/b.inc|{path}/index.php")),
        ("/lib/a.css", "style".to_owned()),
    ] {
        assert_eq!(get(serving.address, target).text(), text, "{target}");
    }
    assert_eq!(ask(serving.address, "POST", "/pretty", &["Content-Length: 0"]).status, 200);
}

#[test]
fn a_local_redirect_leads_to_a_file() {
    let root = tempdir().unwrap();
    programs(root.path(), &[("go.cgi", "#!/bin/sh\nprintf 'Location: /page.txt\\n\\n'\n")]);
    fill(root.path(), &[("page.txt", "page")]);
    let serving = Serving::start(&["--root", root.path().to_str().unwrap(), "--cgi", "*.cgi"]);
    let answer = get(serving.address, "/go.cgi");
    assert_eq!((answer.status, answer.text().as_str()), (200, "page"));
    assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"));
}

#[test]
fn files_and_programs_are_served_behind_a_front_server() {
    let root = tempdir().unwrap();
    programs(root.path(), &[("a.cgi", "#!/bin/sh\nprintf 'A: b\\n\\n%s %s' \"$SCRIPT_NAME\" \"$PATH_INFO\"\n")]);
    fill(root.path(), &[("page.txt", "page")]);
    let serving = Serving::start(&["--protocol", "fastcgi", "--root", root.path().to_str().unwrap(), "--cgi", "*.cgi"]);
    let ask = |uri: &str| {
        let stream = std::net::TcpStream::connect(serving.address).unwrap();
        // The front server says what it likes of the script, except which one runs.
        let pairs = [("REQUEST_METHOD", "GET"), ("REQUEST_URI", uri), ("SCRIPT_NAME", uri), ("HTTP_HOST", "a")];
        let (output, is_whole) = fastcgi_outcome(stream, &pairs);
        assert!(is_whole, "{output}");
        output
    };
    let file = ask("/page.txt");
    assert!(file.starts_with("Status: 200") && file.ends_with("\r\n\r\npage"), "{file}");
    let program = ask("/a.cgi/x");
    assert!(program.ends_with("\r\n\r\n/a.cgi /x"), "{program}");
    assert!(ask("/none").starts_with("Status: 404"));
}
