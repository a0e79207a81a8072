//! What a program must not inherit from this process: ignored signals, and a raised limit of open files.
//!
//! Usually nothing needs to be reset. The program is then started by `posix_spawn`, which is faster than `fork`.
#![allow(unsafe_code, reason = "the reset happens between fork and exec, where few functions may be called")]

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::LazyLock;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::sys::ignored::{ignored, is_reserved};

/// The signals that this process ignored when it first started a program. SIGPIPE is left out, because the standard
/// library resets it.
static IGNORED: LazyLock<Vec<i32>> = LazyLock::new(|| {
    ignored().into_iter().filter(|signal| *signal != libc::SIGPIPE && !is_reserved(*signal)).collect()
});

/// Makes a program start with default signals, and with this limit of open files.
pub(super) fn reset_inherited(command: &mut Command, open_files: Option<Rlimit>) {
    let ignored: &'static [i32] = &IGNORED;
    if ignored.is_empty() && open_files.is_none() {
        return;
    }
    let reset_inherited = move || {
        for signal in ignored {
            // SAFETY: this process ignores `signal`, so its action may be set, and SIG_DFL is not a function of this
            // process. signal(2) may be called after a fork (signal-safety(7)).
            unsafe { libc::signal(*signal, libc::SIG_DFL) };
        }
        match open_files {
            Some(limit) => Ok(setrlimit(Resource::Nofile, limit)?),
            None => Ok(()),
        }
    };
    // SAFETY: between fork and exec there is one thread, and threads that no longer exist may have held locks. The
    // closure takes no locks: it only calls signal(2) and setrlimit(2), and reads a slice that was complete before the
    // fork. It neither allocates nor frees: an error of the system is a number.
    unsafe { command.pre_exec(reset_inherited) };
}
