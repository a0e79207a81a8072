//! Starts a server on a free port, and reads its log.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;

use super::example::{Served, status};
use super::log::Log;

/// The memory of the threads of each core beyond two, in KiB. The bounds were measured with two cores.
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

    /// Returns a figure of `/proc/PID/status`.
    pub fn status(&self, name: &str) -> u64 {
        status(self.served.child.id(), name)
    }

    /// Prints the server's peak memory in KiB and the bytes that it moved. Checks that the peak is below `bound`
    /// and a fraction of these bytes.
    #[track_caller]
    pub fn peak_is_below(&self, bound: u64, what: &str, bytes: u64) {
        let peak = self.status("VmHWM");
        println!("{what}: {bytes} bytes with a peak of {peak} KiB");
        assert!(bytes > 3 * 1024 * bound, "{bytes} bytes of {what} are too few to show anything");
        let bound = bound + EACH_CORE * thread::available_parallelism().unwrap().get().saturating_sub(2) as u64;
        assert!(peak < bound, "{peak} KiB of memory for {what}, more than {bound}");
    }
}
