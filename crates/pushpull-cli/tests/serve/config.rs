//! Configuration files: several mounts in one server, and what is wrong with a file.

use std::fs;
use std::os::unix::net::UnixStream;

use super::front::fastcgi;
use super::host::{Scripts, Serving, run};
use pushpull_testing::wire::{Got, Wire, exchange};

const TELL: &str = "printf 'A: b\\n\\n%s|%s|%s|%s' \"$SCRIPT_NAME\" \"$PATH_INFO\" \"$SET\" \"$*\"";

fn get(serving: &Serving, path: &str) -> Got {
    exchange(serving.address, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
}

/// Creates a folder with a program, a folder of files with a CGI program, and a file that serves both.
fn site() -> (Scripts, String) {
    let scripts = Scripts::new();
    scripts.sh("tell", TELL);
    fs::create_dir(scripts.path().join("www")).unwrap();
    scripts.file("www/index.html", "front page", 0o644);
    scripts.sh("www/tell.cgi", TELL);
    let text = "listen = '127.0.0.1:0'\nthreads = 2\ntimeout-idle = 30.5\n\n\
                [[mount]]\nroot = 'www'\ncgi = ['*.cgi', '*.pl']\nlisting = false\nmax-body = 1_000_000\nmax-programs = 5\n\n\
                [[mount]]\npath = '/a'\nprogram = ['./tell', 'one', '--two']\nenv = ['SET=a=b']\n\n\
                [[mount]]\npath = '/a/b'\nprogram = './tell'\n";
    let file = scripts.file("site.toml", text, 0o644);
    (scripts, file)
}

#[test]
fn requirement_2_a_request_goes_to_the_longest_mount() {
    let (scripts, file) = site();
    let serving = Serving::configured(&file, &[]);
    for (path, body) in [
        ("/", "front page"),
        ("/tell.cgi/x", "/tell.cgi|/x||"),
        ("/a", "/a||a=b|one --two"),
        ("/a/bc", "/a|/bc|a=b|one --two"),
        ("/a/b", "/a/b|||"),
        ("/a/b/c%20d", "/a/b|/c d||"),
    ] {
        assert_eq!(String::from_utf8_lossy(&get(&serving, path).chunks().0), body, "{path}");
    }
    for (path, status) in [("/ab", 404), ("/a/../b", 400)] {
        assert_eq!(get(&serving, path).status(), status, "{path}");
    }
    serving.requests.wait_for("serving ", 1);
    serving.requests.wait_for(&format!("/a/b: {}", scripts.path().join("tell").display()), 1);
}

#[test]
fn without_a_mount_at_the_root_the_rest_is_404() {
    let (scripts, _) = site();
    let text = "listen = '127.0.0.1:0'\n[[mount]]\npath = '/a'\nprogram = './tell'\n";
    let serving = Serving::configured(&scripts.file("other.toml", text, 0o644), &[]);
    assert_eq!(["/", "/b", "/ab", "/a"].map(|path| get(&serving, path).status()), [404, 404, 404, 200]);
}

#[test]
fn requirement_22_the_path_of_a_front_server_is_split_at_the_mounts() {
    let (scripts, _) = site();
    let text = "protocol = 'fastcgi'\nlisten = 'unix:socket'\n[[mount]]\nprogram = './tell'\n\
                [[mount]]\npath = '/a'\nroot = 'www'\ncgi = '*.cgi'\n";
    let file = scripts.file("front.toml", text, 0o644);
    // A relative path begins at the file, wherever the server was started.
    let socket = scripts.path().join("socket");
    let mut command = std::process::Command::new(super::host::PUSHPULL);
    let serving = Serving::of(command.args(["serve", "--config", &file]).current_dir("/"));
    serving.requests.wait_for(&format!("at unix:{}", socket.display()), 1);
    let ask = |name: &str, info: &str| {
        let pairs = [("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", name), ("PATH_INFO", info)];
        fastcgi(UnixStream::connect(&socket).unwrap(), &pairs)
    };
    for (name, info, body) in [
        ("/x", "/y", "|/x/y||"),
        ("", "/a/tell.cgi/z", "/a/tell.cgi|/z||"),
        ("/a/tell.cgi", "/z", "/a/tell.cgi|/z||"),
        ("", "/a/", "front page"),
    ] {
        let output = ask(name, info);
        assert!(output.ends_with(&format!("\r\n\r\n{body}")), "{name} {info}: {output}");
    }
}

#[test]
fn requirement_13_each_mount_waits_its_own_time_for_a_request_body() {
    let (scripts, _) = site();
    scripts.sh("echo", "printf 'Content-Type: text/plain\\n\\n'; cat");
    let text = "listen = '127.0.0.1:0'\nthreads = 1\ntimeout-idle = 0.2\n[[mount]]\nprogram = './echo'\n\
                [[mount]]\npath = '/patient'\nprogram = './echo'\ntimeout-idle = 600\n";
    let serving = Serving::configured(&scripts.file("times.toml", text, 0o644), &[]);
    let head = "HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    let mut patient = Wire::connect(serving.address);
    patient.send(format!("POST /patient {head}")).until("100 Continue\r\n\r\n");
    let mut hasty = Wire::connect(serving.address);
    hasty.send(format!("POST / {head}")).until("100 Continue\r\n\r\n");
    assert_eq!(hasty.rest().status(), 408);
    // It has paused for longer than the other.
    assert_eq!(patient.send("body").rest().chunks(), (b"body".to_vec(), true));
}

#[test]
fn a_check_prints_each_mount_and_serves_nothing() {
    let (scripts, file) = site();
    let (code, out, err) = run(&["serve", "--check", "--config", &file]);
    let (www, tell) = (scripts.path().join("www"), scripts.path().join("tell"));
    let expected =
        format!("/: files of {} and its programs\n/a: {}\n/a/b: {}\n", www.display(), tell.display(), tell.display());
    assert_eq!((code, &out[..], &err[..]), (0, &expected[..], ""));
    fs::remove_dir_all(&www).unwrap();
    let (code, out, err) = run(&["serve", "--check", "--config", &file]);
    assert_eq!((code, &out[..]), (2, ""));
    assert!(err.contains("site.toml:6: ") && err.contains("expected a directory"), "{err}");
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_its_line() {
    let (scripts, _) = site();
    let good = "[[mount]]\nroot = 'www'\n";
    for (text, told) in [
        ("", "site.toml: expected at least one [[mount]]"),
        ("threads = \n", "site.toml:1: "),
        ("threads = 1\nthreads = 2\n", "site.toml:2: duplicate key"),
        ("\ntimeout-idle = 'fast'\n", "site.toml:2: \"timeout-idle\" is \"fast\": expected seconds above 0"),
        ("threads = 0\n", "site.toml:1: \"threads\" is \"0\": expected a whole number from 1 to 1024"),
        ("threads = 0x10\n", "site.toml:1: \"threads\" is a number of another base: expected a whole number"),
        ("threads = [1]\n", "site.toml:1: \"threads\" is an array: expected a whole number"),
        ("thread = 1\n", "site.toml:1: unknown key \"thread\": expected \"threads\"?"),
        ("quite-different = 1\n", "site.toml:1: unknown key \"quite-different\"; see"),
        ("check = true\n", "site.toml:1: unknown key \"check\""),
        ("no-multiplex = 1\n", "site.toml:1: \"no-multiplex\" is a number: expected true or false"),
        ("no-multiplex = true\n", "site.toml:1: cannot use no-multiplex with this protocol"),
        (
            "protocol = 'scgi'\nkeep-alive = 1\n",
            "site.toml:2: cannot use keep-alive with this protocol: expected protocol",
        ),
        (
            "trust-proxy = ['::1', '10.0.0.0/33']\n",
            "site.toml:1: \"trust-proxy\" is \"10.0.0.0/33\": expected a network",
        ),
        ("trust-proxy = [1.5, true]\n", "site.toml:1: \"trust-proxy\" is a boolean: expected a network"),
        ("root = 'www'\n", "site.toml:1: misplaced key \"root\": expected in a [[mount]]"),
        ("[mount]\nroot = 'www'\n", "expected [[mount]]"),
        ("[[mount]]\nroot = 'www'\n\n[[mount]]\nlisten = '127.0.0.1:0'\n", "site.toml:5: misplaced key \"listen\""),
        ("[[mount]]\nroot = 'www'\nmount = '/a'\n", "site.toml:3: unknown key \"mount\""),
        ("[[mount]]\npath = 'a'\n", "site.toml:2: \"path\" is \"a\": expected a path such as /name"),
        ("[[mount]]\npath = '/a'\n", "site.toml:1: nothing to serve: expected root, program or upstream"),
        ("[[mount]]\nroot = 'no'\n", "site.toml:2: "),
        ("[[mount]]\nprogram = './no'\n", "site.toml:2: "),
        ("[[mount]]\nprogram = []\n", "site.toml:2: \"program\" is empty: expected a program"),
        ("[[mount]]\nprogram = { a = 1 }\n", "site.toml:2: \"program\" is a table"),
        ("[[mount]]\nprogram = './tell'\nmax-idle = 1\n", "site.toml:3: cannot use max-idle with a program"),
        ("[[mount]]\nprogram = './tell'\ncgi = '*.cgi'\n", "site.toml:3: cannot use cgi or cgi-bin with a program"),
        ("[[mount]]\nroot = 'www'\nkill-grace = 1\n", "site.toml:3: cannot use kill-grace without a program"),
        (&format!("{good}\n{good}"), "site.toml:4: \"/\" is mounted in line 1 already: expected another path"),
    ] {
        let file = scripts.file("site.toml", text, 0o644);
        let (code, out, err) = run(&["serve", "--check", "--config", &file]);
        assert_eq!((code, &out[..], err.lines().count()), (2, "", 1), "{text:?}: {err}");
        assert!(err.contains(told), "{text:?}: {err}");
    }
    let file = scripts.file("site.toml", good, 0o644);
    for (arguments, told) in [
        (&["--check"][..], "cannot use --check without --config: expected --config FILE"),
        (&["--config", "/no/such/file"], "cannot read /no/such/file"),
        (&["--config"], "missing value for --config: expected a TOML file"),
        (
            &["--config", &file, "--threads", "1"],
            "cannot use --threads with --config: expected \"threads\" in the file",
        ),
        (&["--config", &file, "--", "./tell"], "with --config: expected \"program\" in the file"),
    ] {
        let (code, _, err) = run(&[&["serve"], arguments].concat());
        assert!(code == 2 && err.contains(told), "{arguments:?}: {err}");
    }
}
