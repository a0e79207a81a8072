//! The built example, started on a port of its own, and what it says.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long an event may take before it counts as missing.
const DEADLINE: Duration = Duration::from_secs(60);

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

/// The example's program, which `cargo test` builds beside the tests.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let program = target.join("examples").join("archive");
    assert!(program.exists(), "{} is not built; run `cargo build --example archive`", program.display());
    program
}

impl Server {
    pub fn start(directory: &Path) -> Server {
        let mut child = Command::new(program())
            .arg(directory)
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().trim_end_matches('/').rsplit('/').next().unwrap().parse().unwrap();
        let log = Arc::new(Log::default());
        let (stderr, written) = (child.stderr.take().unwrap(), log.clone());
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                written.lines.lock().unwrap().push(line);
                written.grown.notify_all();
            }
        });
        Server { child, address, log }
    }

    /// Waits until `count` lines of the log begin with `word`.
    pub fn wait_for(&self, word: &str, count: usize) -> Vec<String> {
        let mut lines = self.log.lines.lock().unwrap();
        let until = Instant::now() + DEADLINE;
        loop {
            let found: Vec<String> = lines.iter().filter(|line| line.starts_with(word)).cloned().collect();
            if found.len() >= count {
                return found;
            }
            let left = until.checked_duration_since(Instant::now());
            let left = left.unwrap_or_else(|| panic!("{count} times {word:?} did not come: {lines:#?}"));
            lines = self.log.grown.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// A figure of `/proc/PID/status`, such as `VmRSS` in KiB, or `Threads`.
    pub fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// How many files inside `directory` it has open.
    pub fn open_files(&self, directory: &Path) -> usize {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let files = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        files.filter(|file| file.starts_with(directory) && file != directory).count()
    }

    /// Waits until `reached` says so, looking again and again.
    pub fn wait_until(&self, what: &str, mut reached: impl FnMut(&Server) -> bool) {
        let until = Instant::now() + DEADLINE;
        while !reached(self) {
            assert!(Instant::now() < until, "{what} did not come about");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the program to its end: exit code, standard output, standard error.
pub fn run(arguments: &[&str]) -> (i32, String, String) {
    let mut child =
        Command::new(program()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code().unwrap(), out, err)
}
