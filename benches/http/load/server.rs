//! A server under load: a process of its own, so that what it costs can be told from what the load costs.
//!
//! A benchmark's `main` gives its arguments to [`is_wanted`]: where they name a server, this process is that server.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A server, until it is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// This program, as the server of this name.
    pub fn start(name: &str) -> io::Result<Server> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--serve", name]);
        Server::run(command)
    }

    /// A program that serves, and says first where.
    pub fn run(mut command: Command) -> io::Result<Server> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Server { child, address })
    }

    /// What it has used of all processors.
    pub fn cpu(&self) -> io::Result<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // After the name, which may hold anything: the 14th and 15th fields of all, in hundredths of a second.
        let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        let ticks = fields.map(|field| field.parse::<u64>().map_err(io::Error::other)).sum::<io::Result<u64>>()?;
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Waits until it does nothing any more: until all that its clients do not read has filled what there is to fill.
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

    /// All of them, with the one that waits for this benchmark to end.
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

/// The server that the arguments name, if they name one. This process ends when the one that started it has gone.
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
