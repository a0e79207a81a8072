//! PHP upstream, as `php-fpm` and as `php-cgi -b`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use pushpull_gateway::Upstream;
use tempfile::TempDir;

use super::ask::{ask, chunk, collect, get, got, heard, post, run, upstream};
use pushpull_testing::needed::there;

const SCRIPTS: [(&str, &str); 10] = [
    ("index.php", "<?php echo 'index ', $_SERVER['SCRIPT_NAME'];"),
    (
        "info.php",
        "<?php echo json_encode([$_SERVER['SCRIPT_NAME'], $_SERVER['PATH_INFO'] ?? '', $_GET, $_SERVER['DOCUMENT_ROOT'], $_SERVER['SCRIPT_FILENAME']]);",
    ),
    ("large.php", "<?php for ($i = 0; $i < 1600; $i++) { echo str_repeat('x', 65536); }"),
    (
        "sum.php",
        "<?php $h = hash_init('crc32b'); $in = fopen('php://input', 'r'); $n = 0; while (!feof($in)) { $b = fread($in, 65536); $n += strlen($b); hash_update($h, $b); } echo $n, ' ', hash_final($h), ' ', getmypid();",
    ),
    (
        "cookies.php",
        "<?php for ($i = 0; $i < 50; $i++) { setcookie(\"c$i\", \"v$i\"); } http_response_code(404); echo 'no';",
    ),
    ("fatal.php", "<?php nothing();"),
    ("exit.php", "<?php error_log('on the way out'); echo 'all'; exit(3);"),
    (
        "wait.php",
        // Written before the output, which may end the script.
        "<?php ignore_user_abort(false); register_shutdown_function(function () { file_put_contents($_GET['f'], connection_aborted() ? 'gone' : 'whole'); }); file_put_contents($_GET['f'], 'begun'); echo str_repeat('x', 100000); flush(); while (true) { echo str_repeat('y', 8192); flush(); usleep(1000); }",
    ),
    (
        "finish.php",
        "<?php echo 'finished'; fastcgi_finish_request(); while (!file_exists($_GET['f'])) { usleep(1000); clearstatcache(); }",
    ),
    ("source.txt", "<?php echo 'secret';"),
];

/// PHP with these scripts, on its own socket.
struct Php {
    child: Child,
    directory: TempDir,
}

impl Php {
    fn fpm() -> Option<Php> {
        // Debian's location, which is not in every user's path.
        const PLACE: &str = "/usr/sbin/php-fpm8.2";
        if !Path::new(PLACE).exists() && !there(&[PLACE]) {
            return None;
        }
        let directory = site();
        let at = directory.path().display().to_string();
        let conf = format!(
            "[global]\nerror_log = {at}/log\ndaemonize = no\n[www]\nlisten = {at}/socket\npm = static\n\
             pm.max_children = 3\ncatch_workers_output = yes\n"
        );
        // A master that runs as root needs the user of its workers.
        let conf =
            if rustix::process::geteuid().is_root() { format!("{conf}user = root\ngroup = root\n") } else { conf };
        fs::write(directory.path().join("conf"), conf).unwrap();
        let mut command = Command::new(PLACE);
        command.args(["-F", "-R", "-n", "-d", "display_errors=0", "-y"]).arg(directory.path().join("conf"));
        Some(Php::start(command, directory))
    }

    fn cgi() -> Option<Php> {
        if !there(&["php-cgi"]) {
            return None;
        }
        let directory = site();
        let mut command = Command::new("php-cgi");
        // Each process handles 500 requests and is then replaced. A single process would not be.
        command
            .env("PHP_FCGI_CHILDREN", "3")
            .args(["-n", "-d", "display_errors=0", "-b"])
            .arg(directory.path().join("socket"));
        Some(Php::start(command, directory))
    }

    fn start(mut command: Command, directory: TempDir) -> Php {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let php = Php { child, directory };
        let until = Instant::now() + Duration::from_secs(60);
        while UnixStream::connect(php.socket()).is_err() {
            assert!(Instant::now() < until, "PHP does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        php
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("www")
    }

    fn upstream(&self) -> Upstream {
        upstream(&format!("unix:{}", self.socket().display())).root(self.root()).unwrap()
    }
}

impl Drop for Php {
    fn drop(&mut self) {
        // SIGTERM, so that a master stops its workers.
        if let Some(id) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

fn site() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let root = directory.path().join("www");
    fs::create_dir_all(root.join("sub")).unwrap();
    for (name, text) in SCRIPTS {
        fs::write(root.join(name), text).unwrap();
    }
    fs::copy(root.join("index.php"), root.join("sub/index.php")).unwrap();
    directory
}

#[test]
fn php_fpm_answers() {
    let Some(php) = Php::fpm() else { return };
    run(answers(&php));
}

#[test]
fn php_cgi_answers() {
    let Some(php) = Php::cgi() else { return };
    run(answers(&php));
}

async fn answers(php: &Php) {
    let (upstream, mut lines) = heard(php.upstream());
    let root = php.root().display().to_string();
    assert_eq!(got(&upstream, "/").await, (200, "index /index.php".into(), None));
    assert_eq!(got(&upstream, "/sub/").await.1, "index /sub/index.php");
    let response = ask(&upstream, get("/sub?a=b")).await;
    assert_eq!((response.status().as_u16(), &response.headers()["location"]), (301, &"/sub/?a=b".parse().unwrap()));
    let (_, text, _) = got(&upstream, "/info.php/more/of%20it?a=1").await;
    let expected = format!(r#"["/info.php","/more/of it",{{"a":"1"}},"{root}","{root}/info.php"]"#);
    assert_eq!(text.replace("\\/", "/"), expected);
    for path in ["/source.txt", "/none.php", "/INDEX.PHP", "/index.phps", "/source.txt/index.php"] {
        assert_eq!(got(&upstream, path).await.0, 404, "{path}");
    }
    for path in ["/../conf", "/%2e%2e/conf", "/index%2Fphp", "/index.php%00.txt"] {
        assert_eq!(got(&upstream, path).await.0, 400, "{path}");
    }

    let response = ask(&upstream, get("/large.php")).await;
    let (bytes, error) = collect(response.into_body()).await;
    assert!(error.is_none() && bytes.len() == 1600 << 16);

    // With bodies, so each request has a new connection.
    for number in 0..600 {
        let length = if number == 0 { 5_000_000 } else { number };
        let response = ask(&upstream, post("/sum.php", vec![b'x'; length])).await;
        let text = String::from_utf8(collect(response.into_body()).await.0).unwrap();
        assert_eq!(got(&upstream, "/").await.0, 200);
        let words: Vec<_> = text.split(' ').collect();
        assert_eq!((words[0], words[1].len()), (&length.to_string()[..], 8), "{text}");
    }
    // Without bodies, on a kept connection. PHP closes it after 500 requests, at any moment.
    let keeping = upstream.clone().max_idle(8);
    let mut pids = std::collections::BTreeSet::new();
    for _ in 0..1000 {
        let (status, text, error) = got(&keeping, "/sum.php").await;
        assert_eq!((status, error), (200, None));
        pids.insert(text.split(' ').nth(2).unwrap().to_owned());
    }
    assert!(pids.len() <= 8, "{pids:?}");

    drop(keeping);

    let response = ask(&upstream, get("/cookies.php")).await;
    assert_eq!((response.status().as_u16(), response.headers().get_all("set-cookie").iter().count()), (404, 50));
    assert_eq!(got(&upstream, "/fatal.php").await.0, 500);
    assert_eq!(got(&upstream, "/exit.php").await, (200, "all".into(), None));
    while !lines.recv().await.unwrap().contains("on the way out") {}

    // A slow client, then one that disconnects: the script notices, and its process answers other requests.
    let told = php.directory.path().join("told");
    let mut body = ask(&upstream, get(&format!("/wait.php?f={}", told.display()))).await.into_body();
    assert!(!chunk(&mut body).await.is_empty());
    assert_eq!(got(&upstream, "/").await.0, 200);
    assert!(body.frame().await.unwrap().is_ok());
    drop(body);
    while fs::read_to_string(&told).unwrap_or_default() != "gone" {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        assert_eq!(got(&upstream, "/").await.0, 200);
    }
}

/// A script that has sent its response keeps running, and the next request gets a free process.
#[test]
fn requirement_14_a_script_that_has_finished_its_request_delays_no_other() {
    let Some(php) = Php::fpm() else { return };
    run(async {
        let upstream = php.upstream();
        let done = php.directory.path().join("done");
        let finished = got(&upstream, &format!("/finish.php?f={}", done.display())).await;
        assert_eq!(finished, (200, "finished".into(), None));
        for _ in 0..10 {
            assert_eq!(got(&upstream, "/").await, (200, "index /index.php".into(), None));
        }
        fs::write(done, "").unwrap();
    });
}
