//! `serve --fastcgi-program`. The program is another `pushpull serve`, which speaks FastCGI on its descriptor 0, or
//! php-cgi.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::host::{PUSHPULL, Scripts, Serving, run, signal, wait_until};
use pushpull_testing::needed::there;
use pushpull_testing::wire::{Got, Wire, exchange};

/// No other directory for the socket than the one for temporary files, which each server of a test has.
const TEMPORARY: [(&str, &str); 2] = [("RUNTIME_DIRECTORY", ""), ("XDG_RUNTIME_DIR", "")];

/// Starts a server whose workers answer with a shell script.
fn serve(scripts: &Scripts, script: &str, options: &[&str]) -> Serving {
    let program = scripts.sh("program", script);
    let worker = ["--", PUSHPULL, "serve", "--protocol", "fastcgi", "--listen", "stdin", "--", &program];
    Serving::start_with(&[&["--fastcgi-program"], options, &worker].concat(), &TEMPORARY)
}

/// Starts a server with a configuration file and one worker, which answers with a shell script. Returns the file too.
fn configured(scripts: &Scripts, script: &str) -> (Serving, String) {
    let program = scripts.sh("program", script);
    let worker = format!(r#"["{PUSHPULL}", "serve", "--protocol", "fastcgi", "--listen", "stdin", "--", "{program}"]"#);
    let mount = format!("[[mount]]\nfastcgi-program = true\nworkers = 1\nprogram = {worker}\n");
    let config = scripts.file("site.toml", &format!("listen = \"127.0.0.1:0\"\n{mount}"), 0o644);
    let serving = Serving::configured(&config, &TEMPORARY);
    (serving, config)
}

fn get(serving: &Serving, path: &str) -> Got {
    exchange(serving.address, format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
}

#[test]
fn workers_answer_and_nothing_of_them_is_left() {
    let scripts = Scripts::new();
    let script = r#"echo hello >&2; printf 'A: b\n\n%s' "$PATH_INFO""#;
    let mut serving = serve(&scripts, script, &["--workers", "2"]);
    for _ in 0..10 {
        assert_eq!(get(&serving, "/a/b").chunks(), (b"/a/b".to_vec(), true));
    }
    serving.troubles.wait_for("hello", 10);
    let workers = serving.children();
    assert_eq!(workers.len(), 2);
    assert_eq!(serving.temporary_files(), 1);
    serving.signal("TERM");
    assert!(serving.wait().success());
    assert!(workers.iter().all(|worker| !is_alive(*worker)));
    assert_eq!(serving.temporary_files(), 0);
}

#[test]
fn a_running_request_is_finished_before_the_workers_end() {
    let scripts = Scripts::new();
    let go = scripts.path().join("go");
    let script = format!("printf 'A: b\\n\\nbegun '; until [ -e {} ]; do sleep 0.01; done; printf done", go.display());
    let mut serving = serve(&scripts, &script, &["--workers", "1"]);
    let mut wire = Wire::connect(serving.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("begun ");
    serving.signal("TERM");
    fs::write(&go, "").unwrap();
    assert!(wire.rest().text.ends_with(b"done\r\n0\r\n\r\n"));
    // The server waits for the client's close, for some seconds.
    drop(wire);
    assert!(serving.wait().success());
    serving.requests.wait_for(" done", 1);
}

#[test]
#[cfg(target_os = "linux")]
fn workers_end_when_the_server_is_killed() {
    let scripts = Scripts::new();
    let mut serving = serve(&scripts, "printf 'A: b\\n\\n'", &["--workers", "3"]);
    assert_eq!(get(&serving, "/").status(), 200);
    let workers = serving.children();
    assert_eq!(workers.len(), 3);
    serving.signal("KILL");
    serving.wait();
    wait_until("the end of the workers", || workers.iter().all(|worker| !is_alive(*worker)));
}

#[test]
fn a_second_signal_leaves_no_worker_either() {
    let scripts = Scripts::new();
    let (mut serving, _) = configured(&scripts, "printf 'A: b\\n\\nbegun'; exec sleep 600");
    let mut wire = Wire::connect(serving.address);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("begun");
    let workers = serving.children();
    assert_eq!(workers.len(), 1);
    serving.signal("TERM");
    std::thread::sleep(Duration::from_millis(50));
    serving.signal("TERM");
    serving.wait();
    assert!(workers.iter().all(|worker| !is_alive(*worker)));
    assert_eq!(serving.temporary_files(), 0);
}

#[test]
fn a_worker_that_is_killed_is_replaced() {
    let scripts = Scripts::new();
    let serving = serve(&scripts, "printf 'A: b\\n\\n'", &["--workers", "1"]);
    assert_eq!(get(&serving, "/").status(), 200);
    signal(serving.children()[0], "KILL");
    serving.troubles.wait_for("worker 1: the program was terminated by signal 9; is started again", 1);
    assert_eq!(get(&serving, "/").status(), 200);
}

#[test]
fn php_cgi_gets_the_scripts_and_the_other_files_are_sent() {
    if !there(&["php-cgi"]) {
        return;
    }
    let root = Scripts::new();
    root.file("index.php", "<?php echo 'index ', $_SERVER['PATH_INFO'] ?? '', getenv('MARK');", 0o644);
    root.file("a.php", "<?php echo 'a', $_SERVER['PATH_INFO'] ?? ''; error_log('from php');", 0o644);
    root.file("b.txt", "text", 0o644);
    let options =
        ["--fastcgi-program", "--root", root.path().to_str().unwrap(), "--cgi", "*.php", "--env", "MARK=mark"];
    let serving = Serving::start_with(&[&options[..], &["--", "php-cgi"]].concat(), &TEMPORARY);
    for (path, text) in [("/", "index mark"), ("/a.php/x", "a/x"), ("/b.txt", "text")] {
        assert_eq!(get(&serving, path).chunks(), (text.into(), true), "{path}");
    }
    assert_eq!(get(&serving, "/none").status(), 404);
    serving.troubles.wait_for("from php", 1);
}

#[test]
fn files_come_first_if_no_scripts_are_named() {
    let scripts = Scripts::new();
    scripts.file("b.txt", "text", 0o644);
    let root = scripts.path().to_str().unwrap();
    let serving = serve(&scripts, r#"printf 'A: b\n\n%s' "$PATH_INFO""#, &["--root", root, "--workers", "1"]);
    assert_eq!(get(&serving, "/b.txt").chunks(), (b"text".to_vec(), true));
    assert_eq!(get(&serving, "/other").chunks(), (b"/other".to_vec(), true));
}

#[test]
fn a_reload_starts_the_workers_of_the_new_file() {
    let scripts = Scripts::new();
    let (serving, config) = configured(&scripts, "printf 'A: b\\n\\nold'");
    assert_eq!(get(&serving, "/").chunks().0, b"old");
    let old = serving.children();
    let new = scripts.sh("new", "printf 'A: b\\n\\nnew'");
    let text = fs::read_to_string(&config).unwrap().replace("/program", "/new");
    assert!(text.contains(&new));
    fs::write(&config, text).unwrap();
    serving.signal("HUP");
    serving.requests.wait_for("reloaded", 1);
    assert_eq!(get(&serving, "/").chunks().0, b"new");
    wait_until("the end of the old workers", || old.iter().all(|worker| !is_alive(*worker)));
    assert_eq!(serving.children().len(), 1);
}

/// Starts a server whose worker serves nothing. When asked to end, it waits for the file `go`. Returns the configuration file too.
fn reluctant(scripts: &Scripts) -> (Serving, String) {
    scripts.sh(
        "worker",
        "trap 'echo > asked; until [ -e go ]; do sleep 0.1; done; echo > ended; exit' TERM\n\
         echo > ready; while :; do sleep 0.1; done",
    );
    let text = "listen = '127.0.0.1:0'\n[[mount]]\nfastcgi-program = true\nworkers = 1\nkill-grace = 600\n\
                program = './worker'\n";
    let config = scripts.file("site.toml", text, 0o644);
    let serving = Serving::configured(&config, &TEMPORARY);
    wait_until("the worker runs", || scripts.path().join("ready").exists());
    (serving, config)
}

#[test]
fn requirement_14_workers_of_before_end_within_their_grace_and_hold_up_no_reload() {
    let scripts = Scripts::new();
    let (serving, _) = reluctant(&scripts);
    serving.signal("HUP");
    wait_until("the worker is asked to end", || scripts.path().join("asked").exists());
    serving.signal("HUP");
    serving.requests.wait_for("reloaded", 2);
    scripts.file("go", "", 0o644);
    wait_until("the worker has ended by itself", || scripts.path().join("ended").exists());
    wait_until("one worker is left", || serving.children().len() == 1);
}

#[test]
fn requirement_17_a_reload_that_meets_a_stop_leaves_nothing() {
    let scripts = Scripts::new();
    let (mut serving, config) = reluctant(&scripts);
    let text = fs::read_to_string(&config).unwrap();
    // The reload waits for its file.
    fs::remove_file(&config).unwrap();
    assert!(Command::new("mkfifo").arg(&config).status().unwrap().success());
    serving.signal("HUP");
    let mut file = fs::File::options().write(true).open(&config).unwrap();
    serving.signal("TERM");
    wait_until("the worker is asked to end", || scripts.path().join("asked").exists());
    file.write_all(text.as_bytes()).unwrap();
    drop(file);
    wait_until("the reload is over", || {
        let refused = serving.troubles.wait_for("cannot reload: the server is stopping", 0);
        !refused.is_empty() || !serving.requests.wait_for("reloaded", 0).is_empty()
    });
    scripts.file("go", "", 0o644);
    assert!(serving.wait().success());
    assert_eq!(serving.temporary_files(), 0);
}

#[test]
fn options_that_do_not_fit_are_refused() {
    for (arguments, told) in [
        (&["--workers", "2", "--", "/bin/true"][..], "cannot use --workers without --fastcgi-program"),
        (&["--max-requests", "2"], "cannot use --max-requests without --fastcgi-program"),
        (&["--fastcgi-program"], "cannot use --fastcgi-program without a program"),
        (&["--fastcgi-program", "--upstream", "fastcgi://a:1"], "cannot use --fastcgi-program without a program"),
        (&["--fastcgi-program", "--max-idle", "1", "--", "/bin/true"], "cannot use --max-idle with --fastcgi-program"),
        (&["--fastcgi-program", "--workers", "0", "--", "/bin/true"], "invalid value \"0\" for --workers"),
        (&["--fastcgi-program", "--", "/no/such/program"], "expected an executable file"),
    ] {
        let (code, _, err) = run(&[&["serve"], arguments].concat());
        assert!(code == 2 && err.contains(told), "{arguments:?}: {err}");
    }
    let scripts = Scripts::new();
    let program = scripts.file("program", "#!/no/such/interpreter\n", 0o755);
    let (code, _, err) = run(&["serve", "--listen", "127.0.0.1:0", "--fastcgi-program", "--", &program]);
    assert!(code == 2 && err.contains("cannot start the workers") && err.contains("interpreter"), "{err}");
}

fn is_alive(process: i32) -> bool {
    let asked = Command::new("kill").args(["-0", &process.to_string()]).stderr(Stdio::null()).status();
    asked.unwrap().success()
}
