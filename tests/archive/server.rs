//! The built example, started on a port of its own, and what it says.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::example::{Served, program, status};

/// How long an event may take before it counts as missing.
const DEADLINE: Duration = Duration::from_secs(60);

pub struct Server {
    served: Served,
    pub address: SocketAddr,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Server {
    pub fn start(directory: &Path) -> Server {
        let mut command = Command::new(program("archive"));
        command.arg(directory).args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped());
        let mut served = Served::start(command);
        let log = Arc::new(Log::default());
        let (stderr, written) = (served.child.stderr.take().unwrap(), log.clone());
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                written.lines.lock().unwrap().push(line);
                written.grown.notify_all();
            }
        });
        Server { address: served.address, served, log }
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
        status(self.served.child.id(), name)
    }

    /// How many files inside `directory` it has open.
    pub fn open_files(&self, directory: &Path) -> usize {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.served.child.id())).unwrap();
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
