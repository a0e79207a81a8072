//! The machine that a report was measured on.

use std::fs;
use std::thread;

use serde::{Deserialize, Serialize};

/// The machine of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The name of the processor.
    pub processor: String,
    /// The number of processors that this process may use.
    pub processors: usize,
    /// The operating system and its release.
    pub system: String,
}

impl Machine {
    /// Describes this machine.
    pub fn this() -> Machine {
        Machine {
            processor: processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            processors: thread::available_parallelism().map_or(1, usize::from),
            system: system(),
        }
    }
}

/// Returns the processor's name, if Linux reports it.
fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Returns the system's name, on Unix with its release.
fn system() -> String {
    #[cfg(unix)]
    if let Ok(name) = nix::sys::utsname::uname() {
        return format!("{} {}", name.sysname().to_string_lossy(), name.release().to_string_lossy());
    }
    std::env::consts::OS.to_owned()
}
