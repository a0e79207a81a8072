//! What a proxy stands before: `pushpull serve`, or the application with a host of its own.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use tempfile::TempDir;

use super::server::{PUSHPULL, app, stop};

pub struct Responder {
    child: Child,
    /// As servers write it into their configuration.
    pub address: String,
    /// That of its socket.
    _directory: Option<TempDir>,
}

impl Responder {
    /// The application as a program of `pushpull serve`.
    pub fn serve(protocol: &str) -> Responder {
        Responder::serve_at("127.0.0.1", protocol, &["--request-body", "stream"])
    }

    /// The same on a Unix socket.
    pub fn serve_unix(protocol: &str) -> Responder {
        let directory = tempfile::tempdir().unwrap();
        let address = format!("unix:{}", directory.path().join("socket").display());
        let mut command = Command::new(PUSHPULL);
        command.args(["serve", "--request-body", "stream", "--protocol", protocol, "--listen", &address]);
        command.arg("--").arg(app());
        let mut responder = Responder::start(command);
        responder.address = address;
        responder._directory = Some(directory);
        responder
    }

    /// The application with a host of its own. The shape is "push" or "pull".
    pub fn app(protocol: &str, shape: &str) -> Responder {
        let mut command = Command::new(app());
        command.arg(protocol).args(Some("pull").filter(|_| shape == "pull"));
        Responder::start(command)
    }

    /// The same on a host of its own, which the application is told of.
    pub fn serve_at(host: &str, protocol: &str, options: &[&str]) -> Responder {
        let mut command = Command::new(PUSHPULL);
        command.args(["serve", "--listen", &format!("{host}:0"), "--env", &format!("RESPONDER={host}")]);
        if protocol != "http" {
            command.args(["--protocol", protocol]);
        }
        command.args(options).arg("--").arg(app());
        Responder::start(command)
    }

    /// The first line that it prints ends with its address.
    fn start(mut command: Command) -> Responder {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        // What else it says is nobody's, but has to go somewhere.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        let address = line.trim_end().trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
        Responder { child, address, _directory: None }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it has ended, and gives its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}
