//! Running the examples.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Returns the path of an example, which `cargo test` builds beside the tests.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let program = target.join("examples").join(name);
    assert!(program.exists(), "{} is not built; run `cargo build --example {name}`", program.display());
    program
}

/// Runs an example to its end. Returns its exit code, standard output and standard error.
pub fn run(name: &str, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(program(name)).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Returns a figure of `/proc/PID/status`, such as `VmRSS` in KiB, or `Threads`.
pub fn status(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A running example that serves on a port of its own. It is killed when this is dropped.
pub struct Served {
    pub child: Child,
    pub address: SocketAddr,
}

impl Served {
    /// Starts a server whose first line of output ends with its address.
    pub fn start(mut command: Command) -> Served {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().trim_end_matches('/').rsplit('/').next().unwrap().parse().unwrap();
        Served { child, address }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
