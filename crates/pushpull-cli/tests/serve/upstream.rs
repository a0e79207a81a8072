//! `serve --upstream`. The application is another `pushpull serve`, which speaks FastCGI.

use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use super::host::{PUSHPULL, Scripts, Serving, wait_until};
use pushpull_testing::wire::{Wire, exchange};

/// The running application.
pub struct Application(Child);

impl Application {
    pub fn start(scripts: &Scripts, text: &str) -> (Application, String) {
        let program = scripts.sh("program", text);
        let socket = scripts.path().join("socket");
        let listen = format!("unix:{}", socket.display());
        let mut command = Command::new(PUSHPULL);
        command.args(["serve", "--protocol", "fastcgi", "--accept-param", "SCRIPT_FILENAME", "--listen", &listen]);
        let child = command.arg("--").arg(program).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let application = Application(child);
        wait_until("the application's socket", || UnixStream::connect(&socket).is_ok());
        (application, format!("fastcgi://{listen}"))
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(serving: &Serving, path: &str) -> pushpull_testing::wire::Got {
    exchange(serving.address, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
}

#[test]
fn an_upstream_gets_every_request_without_a_root() {
    let scripts = Scripts::new();
    let text = r#"printf 'A: b\n\n%s %s ' "$PATH_INFO" "$SCRIPT_FILENAME"; cat; [ "$PATH_INFO" != /broken ]"#;
    let (_application, address) = Application::start(&scripts, text);
    let mut serving = Serving::start(&["--upstream", &address, "--env", "SCRIPT_FILENAME=/x"]);
    assert_eq!(get(&serving, "/a.txt").chunks(), (b"/a.txt /x ".to_vec(), true));
    let got = exchange(
        serving.address,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    assert_eq!(got.chunks(), (b"/ /x hello".to_vec(), true));
    // If the upstream truncates its response, the client gets a truncated response.
    let got = get(&serving, "/broken");
    assert_eq!((got.status(), got.chunks().1), (200, false));
    serving.troubles.wait_for("GET /broken", 1);
    serving.requests.wait_for("cut", 1);
    serving.signal("TERM");
    assert!(serving.wait().success());
}

#[test]
fn scripts_below_the_root_are_requested() {
    let scripts = Scripts::new();
    let (_application, address) =
        Application::start(&scripts, r#"printf 'A: b\n\n%s|%s|%s' "$SCRIPT_NAME" "$PATH_INFO" "$SCRIPT_FILENAME""#);
    let root = scripts.path().join("www");
    std::fs::create_dir_all(root.join("dir.php")).unwrap();
    for name in ["index.php", "a.php", "b.txt", "dir.php/index.php"] {
        std::fs::write(root.join(name), "<?php source();").unwrap();
    }
    std::os::unix::fs::symlink(root.join("a.php"), root.join("link.php")).unwrap();
    let root = root.to_str().unwrap();
    let serving = Serving::start(&["--upstream", &address, "--root", root, "--mount", "/app"]);
    for (path, status, name, rest, file) in [
        ("/app/a.php", 200, "/app/a.php", "", "/a.php"),
        ("/app/a.php/x%20y?z", 200, "/app/a.php", "/x y", "/a.php"),
        ("/app/", 200, "/app/index.php", "", "/index.php"),
        ("/app/dir.php/", 200, "/app/dir.php/index.php", "", "/dir.php/index.php"),
    ] {
        let got = get(&serving, path);
        assert_eq!(got.status(), status);
        assert_eq!(String::from_utf8(got.chunks().0).unwrap(), format!("{name}|{rest}|{root}{file}"));
    }
    for (path, status) in [
        ("/app/b.txt/", 404),
        ("/app/link.php", 404),
        ("/app/A.php", 404),
        ("/app/a.PHP", 404),
        ("/app//a.php", 404),
        ("/a.php", 404),
        ("/app/none", 404),
        ("/app/../app/a.php", 400),
        ("/app/%2e%2e/a.php", 400),
        ("/app%2Fa.php", 400),
        ("/app/a.php%00", 400),
        ("/app/dir.php", 301),
    ] {
        let got = get(&serving, path);
        assert_eq!(got.status(), status, "{path}");
        assert!(!String::from_utf8_lossy(&got.text).contains("source"), "{path}");
    }
    let got = get(&serving, "/app/dir.php?q");
    assert!(String::from_utf8_lossy(&got.text).contains("\r\nlocation: /app/dir.php/?q\r\n"));
}

#[test]
fn requirement_17_requests_to_an_upstream_are_aborted_when_the_server_stops() {
    let scripts = Scripts::new();
    let (_application, address) = Application::start(&scripts, "printf 'A: b\\n\\nbegun'; exec sleep 600");
    let mut serving = Serving::start(&["--upstream", &address, "--shutdown-grace", "0"]);
    let mut wire = Wire::connect(serving.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("begun");
    serving.signal("TERM");
    assert!(!wire.rest().text.ends_with(b"0\r\n\r\n"));
    assert!(serving.wait().success());
}
