//! Starts the built example on a free port, and reads its log.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pushpull_testing::example::{Served, program, status};
use pushpull_testing::log::{DEADLINE, Log};

pub struct Server {
    served: Served,
    pub address: SocketAddr,
    log: Log,
}

impl Server {
    pub fn start(directory: &Path) -> Server {
        let mut command = Command::new(program("archive"));
        command.arg(directory).args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped());
        let mut served = Served::start(command);
        let log = Log::of(served.child.stderr.take().unwrap());
        Server { address: served.address, served, log }
    }

    /// Waits until `count` lines of the log contain `word`.
    pub fn wait_for(&self, word: &str, count: usize) -> Vec<String> {
        self.log.wait_for(word, count)
    }

    /// Returns a figure of `/proc/PID/status`, such as `VmRSS` in KiB, or `Threads`.
    pub fn status(&self, name: &str) -> u64 {
        status(self.served.child.id(), name)
    }

    /// Returns how many files inside `directory` the server has open.
    pub fn open_files(&self, directory: &Path) -> usize {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.served.child.id())).unwrap();
        let files = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        files.filter(|file| file.starts_with(directory) && file != directory).count()
    }

    /// Polls until `reached` returns `true`.
    pub fn wait_until(&self, what: &str, mut reached: impl FnMut(&Server) -> bool) {
        let until = Instant::now() + DEADLINE;
        while !reached(self) {
            assert!(Instant::now() < until, "timed out waiting for: {what}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}
