//! SIGHUP reads the configuration file again, while requests run.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::host::{DEADLINE, Scripts, Serving, told, wait_until};
use pushpull_testing::wire::{Wire, exchange};

const RELOADS: usize = 20;

/// Writes a file whose mount `/say` starts a program that says `word`.
fn write(scripts: &Scripts, word: &str) -> String {
    let text = format!(
        "listen = '127.0.0.1:0'\nthreads = 2\ntimeout-idle = 600\n[[mount]]\npath = '/say'\nprogram = './say'\nenv = 'WORD={word}'\n\
         [[mount]]\npath = '/slow'\nprogram = ['./slow', '{word}']\n[[mount]]\nroot = '{}'\n",
        scripts.path().join("www").display()
    );
    // As an administrator replaces it: at no time is there half a file.
    let new = scripts.file("new.toml", &text, 0o644);
    let file = scripts.path().join("site.toml");
    fs::rename(new, &file).unwrap();
    file.into_os_string().into_string().unwrap()
}

fn site() -> (Scripts, String) {
    let scripts = Scripts::new();
    scripts.sh("say", "printf 'Content-Type: text/plain\\n\\n%s' \"$WORD\"");
    // A program that continues once a file with the word exists.
    scripts.sh(
        "slow",
        "printf 'Content-Type: text/plain\\n\\nfirst\\n'; while ! [ -e \"go-$1\" ]; do sleep 0.1; done; echo \"$1\"",
    );
    fs::create_dir(scripts.path().join("www")).unwrap();
    scripts.file("www/index.html", "front page", 0o644);
    let file = write(&scripts, "word-0");
    (scripts, file)
}

fn request(path: &str, connection: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\n\r\n")
}

/// Reads one response in chunks off a connection that is kept.
fn response(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n0\r\n\r\n") {
        let mut piece = [0; 512];
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => text.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => panic!("{other:?} after {}", text.escape_ascii()),
        }
    }
    String::from_utf8(text).unwrap()
}

/// Ends the clients, also if the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_request_is_lost_while_the_file_is_reloaded() {
    let (scripts, file) = site();
    let serving = Serving::configured(&file, &[]);
    let (address, is_over) = (serving.address, AtomicBool::new(false));
    let is_said = |text: &str| (0..=RELOADS).any(|number| text.contains(&format!("\r\nword-{number}\r\n")));
    thread::scope(|scope| {
        let new = scope.spawn(|| {
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                let got = exchange(address, request("/say", "close"));
                let text = String::from_utf8_lossy(&got.text).into_owned();
                let is_right = got.status() == 200 && got.chunks().1 && is_said(&text);
                assert!(is_right, "{text} {:?} {:?}", got.error, serving.troubles.wait_for("", 0));
                assert_eq!(exchange(address, request("/", "close")).body(), b"front page");
                count += 1;
            }
            count
        });
        let kept = scope.spawn(|| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut count = 0;
            while !is_over.load(Ordering::Relaxed) {
                stream.write_all(request("/say", "keep-alive").as_bytes()).unwrap();
                let text = response(&mut stream);
                assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && is_said(&text), "{text}");
                count += 1;
            }
            count
        });
        let over = Over(&is_over);
        let mut running = Vec::new();
        for number in 0..RELOADS {
            // A request that runs through all further reloads.
            let mut wire = Wire::connect(address);
            wire.send(request("/slow", "close")).until("first\n\r\n");
            running.push(wire);
            write(&scripts, &format!("word-{}", number + 1));
            serving.signal("HUP");
            let line = serving.requests.wait_for(&format!("reloaded {file}: 3 mounts"), number + 1);
            assert_eq!(line.len(), number + 1);
            let got = exchange(address, request("/say", "close"));
            assert_eq!(got.chunks(), (format!("word-{}", number + 1).into_bytes(), true));
        }
        // What runs was started by the file of its time.
        for (number, mut wire) in running.into_iter().enumerate() {
            scripts.file(&format!("go-word-{number}"), "", 0o644);
            let text = String::from_utf8(wire.rest().text).unwrap();
            assert!(text.contains(&format!("\r\nword-{number}\n\r\n0\r\n\r\n")), "{text}");
        }
        drop(over);
        assert!(new.join().unwrap() > 0 && kept.join().unwrap() > 0);
    });
    wait_until("no program is left", || serving.children().is_empty());
}

#[test]
fn a_file_with_an_error_or_a_change_that_needs_a_restart_changes_nothing() {
    let (scripts, file) = site();
    let serving = Serving::configured(&file, &[]);
    let good = fs::read_to_string(&file).unwrap().replace("word-0", "word-1");
    for (text, told) in [
        (good.replace("threads", "thread"), "site.toml:2: unknown key \"thread\": expected \"threads\"?"),
        (good.replace("./say", "./no"), "site.toml:6: "),
        (good.replace("127.0.0.1:0", "127.0.0.1:1"), "site.toml: \"listen\" has changed: expected a restart"),
        (good.replace("threads = 2", "threads = 3"), "site.toml: \"threads\" has changed: expected a restart"),
        (good.replace("threads = 2\n", ""), "site.toml: \"threads\" has changed: expected a restart"),
        (
            good.replace("path = '/say'", "path = '/say'\ntimeout-idle = 601"),
            "site.toml: \"timeout-idle\" is longer than any at the start: expected a restart",
        ),
        (format!("protocol = 'scgi'\n{good}"), "site.toml: \"protocol\" has changed: expected a restart"),
        (format!("metrics = '127.0.0.1:1'\n{good}"), "site.toml: \"metrics\" has changed: expected a restart"),
    ] {
        scripts.file("site.toml", &text, 0o644);
        let before = serving.troubles.wait_for("cannot reload: ", 0).len();
        serving.signal("HUP");
        let lines = serving.troubles.wait_for("; nothing has changed", before + 1);
        assert!(lines[before].contains("cannot reload: ") && lines[before].contains(told), "{told}: {lines:?}");
        assert_eq!(exchange(serving.address, request("/say", "close")).chunks(), (b"word-0".to_vec(), true));
    }
    // A flag that is false is as one that is not there.
    scripts.file("site.toml", &format!("proxy-protocol = false\ntrust-proxy = []\n{good}"), 0o644);
    serving.signal("HUP");
    serving.requests.wait_for("reloaded ", 1);
    assert_eq!(exchange(serving.address, request("/say", "close")).chunks(), (b"word-1".to_vec(), true));
}

#[test]
fn programs_of_before_are_stopped_with_the_server() {
    let (scripts, _) = site();
    // It works on after its response. A shell reports on standard error, which is closed, that its command was stopped.
    scripts.sh(
        "work",
        "exec 2>/dev/null; trap 'echo > stopped; exit' TERM; printf 'Content-Length: 1\\n\\nx'; while :; do sleep 0.01; done",
    );
    let text = "listen = '127.0.0.1:0'\nshutdown-grace = 0.1\n[[mount]]\nprogram = './work'\n";
    let mut serving = Serving::configured(&scripts.file("work.toml", text, 0o644), &[]);
    assert_eq!(exchange(serving.address, request("/", "close")).body(), b"x");
    serving.signal("HUP");
    serving.requests.wait_for("work.toml: 1 mount", 1);
    serving.signal("TERM");
    assert_eq!(serving.wait().code(), Some(0));
    assert!(scripts.path().join("stopped").exists(), "the program was not stopped");
}

#[test]
fn idle_connections_of_before_are_closed() {
    let (scripts, _) = site();
    let application = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = application.local_addr().unwrap();
    let text = format!("listen = '127.0.0.1:0'\n[[mount]]\nupstream = 'fastcgi://{address}'\nmax-idle = 1\n");
    let serving = Serving::configured(&scripts.file("idle.toml", &text, 0o644), &[]);
    let mut wire = Wire::connect(serving.address);
    wire.send(request("/", "close"));
    let (mut stream, _) = application.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    // The last record of the request: an empty one of its body.
    let (mut got, last) = (Vec::new(), [1, 5, 0, 1, 0, 0, 0, 0]);
    while !got.ends_with(&last) {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "{}", got.escape_ascii());
        got.extend_from_slice(&piece[..count]);
    }
    let output = b"A: b\n\n";
    let head = [1, 6, 0, 1, 0, output.len() as u8, 0, 0];
    stream.write_all(&[&head[..], output, &[1, 3, 0, 1, 0, 8, 0, 0], &[0; 8]].concat()).unwrap();
    assert_eq!(wire.rest().status(), 200);
    serving.signal("HUP");
    let reloaded = std::time::Instant::now();
    assert_eq!(stream.read(&mut [0; 100]).unwrap(), 0);
    // An idle connection would be closed after 10 s.
    assert!(reloaded.elapsed() < std::time::Duration::from_secs(8), "{:?}", reloaded.elapsed());
}

#[test]
fn a_root_that_vanishes_is_answered_and_logged() {
    let (scripts, file) = site();
    let serving = Serving::configured(&file, &[]);
    let root = scripts.path().join("www");
    fs::rename(&root, scripts.path().join("away")).unwrap();
    let status = exchange(serving.address, request("/", "close")).status();
    assert!(matches!(status, 404 | 500), "{status}");
    serving.troubles.wait_for("cannot look up /", 1);
    serving.signal("HUP");
    serving.troubles.wait_for("cannot reload: ", 1);
    fs::rename(scripts.path().join("away"), &root).unwrap();
    assert_eq!(exchange(serving.address, request("/", "close")).body(), b"front page");
}

#[test]
fn the_manager_learns_of_a_reload() {
    let (scripts, file) = site();
    let path = scripts.path().join("manager");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let serving = Serving::configured(&file, &[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    assert_eq!(told(&manager), "READY=1");
    for is_good in [true, false] {
        if !is_good {
            scripts.file("site.toml", "", 0o644);
        }
        serving.signal("HUP");
        let reloading = told(&manager);
        let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").map(str::parse::<u64>);
        assert!(matches!(time, Some(Ok(1..))), "{reloading}");
        assert_eq!(told(&manager), "READY=1");
    }
}

#[test]
fn requirement_17_a_hangup_that_is_ignored_reloads_all_the_same() {
    let (_scripts, file) = site();
    let text = "trap '' HUP; exec \"$0\" \"$@\"";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", text, super::host::PUSHPULL, "serve", "--config", &file]);
    let serving = Serving::of(&mut command);
    serving.requests.wait_for("/say: ", 1);
    serving.signal("HUP");
    serving.requests.wait_for("reloaded ", 1);
}
