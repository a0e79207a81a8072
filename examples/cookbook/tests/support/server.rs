//! One of the servers, on a port of its own, and what it says.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;

use super::example::{Served, status};
use super::log::Log;

/// What the threads of one more core than two may cost, in KiB. The bounds were measured on two.
const EACH_CORE: u64 = 512;

pub struct Server {
    served: Served,
    pub log: Log,
}

impl Server {
    pub fn start(program: &str) -> Server {
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped());
        let mut served = Served::start(command);
        let log = Log::of(served.child.stderr.take().unwrap());
        Server { served, log }
    }

    pub fn address(&self) -> SocketAddr {
        self.served.address
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.served.address)
    }

    /// A figure of `/proc/PID/status`.
    pub fn status(&self, name: &str) -> u64 {
        status(self.served.child.id(), name)
    }

    /// Prints the most memory that the server ever had, in KiB, beside what went through it, and sees that it is less
    /// than `bound` and a fraction of that.
    #[track_caller]
    pub fn peak_is_below(&self, bound: u64, what: &str, bytes: u64) {
        let peak = self.status("VmHWM");
        println!("{what}: {bytes} bytes with a peak of {peak} KiB");
        assert!(bytes > 3 * 1024 * bound, "{bytes} bytes of {what} are too few to show anything");
        let bound = bound + EACH_CORE * thread::available_parallelism().unwrap().get().saturating_sub(2) as u64;
        assert!(peak < bound, "{peak} KiB of memory for {what}, more than {bound}");
    }
}
