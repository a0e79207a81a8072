//! Reads figures about this process.

use std::fs;
use std::io;

/// Figures of `/proc/self/status`, in KiB.
pub struct Status {
    pub resident: u64,
    pub page_tables: u64,
    pub threads: u64,
}

impl Status {
    pub fn read() -> io::Result<Status> {
        let text = fs::read_to_string("/proc/self/status")?;
        let figure = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let figure = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            figure.ok_or_else(|| io::Error::other(format!("/proc/self/status has no {name}")))
        };
        Ok(Status { resident: figure("VmRSS")?, page_tables: figure("VmPTE")?, threads: figure("Threads")? })
    }
}
