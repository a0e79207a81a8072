//! The responders behind a proxy: `pushpull serve`, or the application with its own host.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use tempfile::TempDir;

use super::server::{PUSHPULL, app, stop};

pub struct Responder {
    child: Child,
    /// The address in the form of server configurations.
    pub address: String,
    /// The address of the socket.
    _directory: Option<TempDir>,
}

impl Responder {
    /// Starts the application as a program of `pushpull serve`.
    pub fn serve(protocol: &str) -> Responder {
        Responder::serve_at("127.0.0.1", protocol, &["--request-body", "stream"])
    }

    /// Does the same on a Unix socket.
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

    /// Starts the application with its own host. The shape is "push" or "pull".
    pub fn app(protocol: &str, shape: &str) -> Responder {
        let mut command = Command::new(app());
        command.arg(protocol).args(Some("pull").filter(|_| shape == "pull"));
        Responder::start(command)
    }

    /// Does the same on a given IP address, which the application receives.
    pub fn serve_at(host: &str, protocol: &str, options: &[&str]) -> Responder {
        let mut command = Command::new(PUSHPULL);
        command.args(["serve", "--listen", &format!("{host}:0"), "--env", &format!("RESPONDER={host}")]);
        if protocol != "http" {
            command.args(["--protocol", protocol]);
        }
        command.args(options).arg("--").arg(app());
        Responder::start(command)
    }

    /// Reads the address at the end of the first line that the process prints.
    pub fn start(mut command: Command) -> Responder {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        // Discard the remaining output, so that the pipe never fills up.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        let address = line.trim_end().trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
        Responder { child, address, _directory: None }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the process, and returns its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}
