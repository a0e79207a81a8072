//! Starts the built `pushpull serve` on a free port, and reads its logs.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::mem;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use pushpull_testing::program;
use tempfile::TempDir;

/// The time after which an event counts as missing.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The program, which cargo builds for the tests.
pub const PUSHPULL: &str = env!("CARGO_BIN_EXE_pushpull");

pub struct Serving {
    child: Child,
    pub address: SocketAddr,
    /// The log of requests on standard output, and everything on standard error.
    pub requests: Arc<Lines>,
    pub troubles: Arc<Lines>,
    /// The directory for its temporary files.
    temporary: TempDir,
}

#[derive(Default)]
pub struct Lines {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Lines {
    fn of(from: impl Read + Send + 'static) -> Arc<Lines> {
        let lines = Arc::new(Lines::default());
        let written = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                written.lines.lock().unwrap().push(line);
                written.grown.notify_all();
            }
        });
        lines
    }

    /// Waits until `count` lines contain `part`.
    pub fn wait_for(&self, part: &str, count: usize) -> Vec<String> {
        let found = |lines: &Vec<String>| lines.iter().filter(|line| line.contains(part)).count();
        let lines = self.lines.lock().unwrap();
        let (lines, _) = self.grown.wait_timeout_while(lines, DEADLINE, |lines| found(lines) < count).unwrap();
        assert!(found(&lines) >= count, "timed out waiting for {count} lines with {part:?}: {lines:#?}");
        lines.iter().filter(|line| line.contains(part)).cloned().collect()
    }
}

impl Serving {
    /// Starts the server with these arguments, which end with the program's.
    pub fn start(arguments: &[&str]) -> Serving {
        Serving::start_with(arguments, &[])
    }

    pub fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Serving {
        Serving::start_by(&[PUSHPULL], arguments, environment)
    }

    /// Starts the server through another program, with the server as its last argument.
    pub fn start_by(starter: &[&str], arguments: &[&str], environment: &[(&str, &str)]) -> Serving {
        Serving::spawn(starter, "127.0.0.1:0", arguments, environment).on_loopback()
    }

    /// Starts the server with a configuration file that listens on 127.0.0.1:0.
    pub fn configured(file: &str, environment: &[(&str, &str)]) -> Serving {
        let mut command = Command::new(PUSHPULL);
        command.args(["serve", "--config", file]).envs(environment.iter().copied());
        Serving::of(&mut command).on_loopback()
    }

    /// Waits until the server says where it listens.
    fn on_loopback(mut self) -> Serving {
        let line = self.requests.wait_for("://127.0.0.1:", 1).remove(0);
        self.address = line.trim_end_matches('/').rsplit('/').next().unwrap().parse().unwrap();
        self
    }

    /// Starts the server on an address, and waits for a line that contains `part`.
    pub fn start_on(listen: &str, arguments: &[&str], part: &str) -> Serving {
        let serving = Serving::spawn(&[PUSHPULL], listen, arguments, &[]);
        serving.requests.wait_for(part, 1);
        serving
    }

    fn spawn(starter: &[&str], listen: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Serving {
        let mut command = Command::new(starter[0]);
        command.args(&starter[1..]).args(["serve", "--listen", listen]).args(arguments);
        Serving::of(command.envs(environment.iter().copied()))
    }

    /// Starts a command that becomes the server.
    pub fn of(command: &mut Command) -> Serving {
        let temporary = tempfile::tempdir().unwrap();
        let mut child =
            command.env("TMPDIR", temporary.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let requests = Lines::of(child.stdout.take().unwrap());
        let troubles = Lines::of(child.stderr.take().unwrap());
        let address = ([127, 0, 0, 1], 0).into();
        Serving { child, address, requests, troubles, temporary }
    }

    pub fn id(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Returns a figure of `/proc/PID/status`, such as `VmRSS` in KiB, or `Threads`.
    pub fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Returns the processes that the server has started and not reaped.
    pub fn children(&self) -> Vec<i32> {
        children(self.id())
    }

    /// Returns the directory for its temporary files.
    pub fn temporary(&self) -> &Path {
        self.temporary.path()
    }

    pub fn temporary_files(&self) -> usize {
        fs::read_dir(self.temporary.path()).unwrap().count()
    }
}

/// The resources of a server.
#[derive(Debug, PartialEq, Eq)]
pub struct Made {
    programs: usize,
    threads: u64,
    descriptors: usize,
    temporary_files: usize,
}

impl Made {
    pub fn of(serving: &Serving) -> Made {
        Made {
            programs: serving.children().len(),
            threads: serving.status("Threads:"),
            descriptors: serving.descriptors(),
            temporary_files: serving.temporary_files(),
        }
    }

    fn is_within(&self, other: &Made) -> bool {
        self.programs <= other.programs
            && self.threads <= other.threads
            && self.descriptors <= other.descriptors
            && self.temporary_files <= other.temporary_files
    }

    /// Waits until no program runs, and returns what the server has then.
    pub fn at_rest(serving: &Serving) -> Made {
        wait_until("the programs end", || serving.children().is_empty());
        let mut before = Made::of(serving);
        wait_until("it is quiet", || {
            thread::sleep(Duration::from_millis(100));
            let now = Made::of(serving);
            mem::replace(&mut before, now) == Made::of(serving)
        });
        before
    }

    /// Waits until the server has no more than this again.
    pub fn regained(&self, serving: &Serving) -> Made {
        let mut now = Made::of(serving);
        wait_until("everything is given back", || {
            now = Made::of(serving);
            // Threads for files are kept for a while, and end by themselves.
            now.is_within(self)
        });
        now
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn signal(process: i32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().unwrap().success());
}

/// Returns the children of a process that are not reaped yet.
pub fn children(process: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()).collect()
}

/// Returns the next message to a service manager.
pub fn told(manager: &UnixDatagram) -> String {
    let mut text = [0; 1000];
    // A wait with a time limit ends at a signal, such as one for a child of another test.
    let length = loop {
        match manager.recv(&mut text) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            received => break received.expect("no message in time"),
        }
    };
    String::from_utf8(text[..length].to_vec()).unwrap()
}

/// Polls until the condition is met.
pub fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !reached() {
        assert!(Instant::now() < until, "timed out waiting for: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Runs `pushpull`. Returns its exit code, standard output and standard error.
pub fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(PUSHPULL).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The programs of a test, in a temporary directory.
pub struct Scripts(TempDir);

impl Scripts {
    pub fn new() -> Scripts {
        Scripts(tempfile::tempdir().unwrap())
    }

    /// Creates a shell script.
    pub fn sh(&self, name: &str, text: &str) -> String {
        self.file(name, &format!("#!/bin/sh\n{text}\n"), 0o755)
    }

    pub fn file(&self, name: &str, text: &str, mode: u32) -> String {
        let path: PathBuf = self.0.path().join(name);
        if mode & 0o100 == 0 {
            fs::write(&path, text).unwrap();
        } else {
            program::write(&path, text);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
