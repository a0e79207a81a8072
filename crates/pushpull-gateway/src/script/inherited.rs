//! What a program would inherit of this process and is not to have: signals that are ignored, and a raised limit of open
//! files.
//!
//! Most often there is nothing to set back, and the program is started by `posix_spawn`, which is quicker than `fork`.
#![allow(unsafe_code, reason = "it is set back between fork and exec, where little may be called")]

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::LazyLock;

use rustix::process::{Resource, Rlimit, setrlimit};

/// The signals that this process ignored when it first started a program, but for SIGPIPE, which the standard library sets
/// back, and those that the C library has for itself (its `posix_spawn` ignores them).
static IGNORED: LazyLock<Vec<i32>> = LazyLock::new(|| {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_own = |signal: &i32| (32..libc::SIGRTMIN()).contains(signal);
    ignored(&status).filter(|signal| *signal != libc::SIGPIPE && !is_own(signal)).collect()
});

/// Returns the signals that are ignored by the process with this `/proc/PID/status`.
pub(crate) fn ignored(status: &str) -> impl Iterator<Item = i32> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    (1..=64).filter(move |signal| mask & (1 << (signal - 1)) != 0)
}

/// Has a program start with default signals, and with this limit of open files.
pub(super) fn set_back(command: &mut Command, open_files: Option<Rlimit>) {
    let ignored: &'static [i32] = &IGNORED;
    if ignored.is_empty() && open_files.is_none() {
        return;
    }
    let set_back = move || {
        for signal in ignored {
            // SAFETY: `signal` is one that this process ignores, so that it may be set, and SIG_DFL is no function of this
            // process. The call may be made after a fork (signal-safety(7)).
            unsafe { libc::signal(*signal, libc::SIG_DFL) };
        }
        match open_files {
            Some(limit) => Ok(setrlimit(Resource::Nofile, limit)?),
            None => Ok(()),
        }
    };
    // SAFETY: between fork and exec there is one thread, and locks may be held by those that are gone. The closure takes
    // none: it makes two system calls, reads a slice that was complete before the fork, and neither allocates nor frees (an
    // error of the system is a number).
    unsafe { command.pre_exec(set_back) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirement_17_ignored_signals_are_read_from_the_status() {
        let status = "Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t8000000000001001\nSigCgt:\t0000000000000001\n";
        assert_eq!(ignored(status).collect::<Vec<_>>(), [1, 13, 64]);
        assert_eq!(ignored("Name:\tx\n").count(), 0);
    }
}
