//! A server under load, in a separate process, so that its costs are measured apart from those of the load.
//!
//! A benchmark's `main` passes its arguments to [`is_wanted`]. If the arguments name a server, the process is that
//! server.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A running server. It is stopped when this is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts this program as the server of this name.
    pub fn start(name: &str) -> io::Result<Server> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--serve", name]);
        Server::run(command)
    }

    /// Starts a server program, which prints its address first.
    pub fn run(mut command: Command) -> io::Result<Server> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout is piped")).read_line(&mut line)?;
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Server { child, address })
    }

    /// Returns the processor time that the server has used.
    pub fn cpu(&self) -> io::Result<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name may contain anything. After it, the 14th and 15th fields of the line are times in hundredths of a
        // second.
        let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        let ticks = fields.map(|field| field.parse::<u64>().map_err(io::Error::other)).sum::<io::Result<u64>>()?;
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Waits until the server is idle: all buffers of the clients that do not read are full.
    pub fn settle(&self) -> io::Result<()> {
        let mut before = self.cpu()?;
        loop {
            thread::sleep(Duration::from_millis(300));
            let now = self.cpu()?;
            if now - before < Duration::from_millis(20) {
                return Ok(());
            }
            before = now;
        }
    }

    /// Returns the number of threads, including the one that waits for this benchmark to end.
    pub fn threads(&self) -> io::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/task", self.child.id()))?.count())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the server that the arguments name, if any. The process ends when its parent has ended.
pub fn is_wanted(arguments: &[String]) -> Option<&str> {
    let [serve, name] = arguments else { return None };
    if serve != "--serve" {
        return None;
    }
    thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        process::exit(0);
    });
    Some(name)
}
