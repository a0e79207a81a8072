//! What a program must not inherit from this process: ignored signals, and a raised limit of open files. And whether it
//! ends with this process.
//!
//! Usually nothing needs to be reset. The program is then started by `posix_spawn`, which is faster than `fork`.
#![allow(unsafe_code, reason = "the reset happens between fork and exec, where few functions may be called")]

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::LazyLock;

use rustix::process::{Pid, Resource, Rlimit, setrlimit};

use crate::sys::ignored::{ignored, is_reserved};

/// The signals that this process ignored when it first started a program. SIGPIPE is left out, because the standard
/// library resets it.
static IGNORED: LazyLock<Vec<i32>> = LazyLock::new(|| {
    ignored().into_iter().filter(|signal| *signal != libc::SIGPIPE && !is_reserved(*signal)).collect()
});

/// Makes a program start with default signals, and with this limit of open files. If it is bound to a parent, which is
/// this process, it is killed when the thread that starts it ends.
pub(super) fn reset_inherited(command: &mut Command, open_files: Option<Rlimit>, bound_to: Option<Pid>) {
    let ignored: &'static [i32] = &IGNORED;
    if ignored.is_empty() && open_files.is_none() && bound_to.is_none() {
        return;
    }
    let reset_inherited = move || {
        for signal in ignored {
            // SAFETY: this process ignores `signal`, so its action may be set, and SIG_DFL is not a function of this
            // process. signal(2) may be called after a fork (signal-safety(7)).
            unsafe { libc::signal(*signal, libc::SIG_DFL) };
        }
        if let Some(limit) = open_files {
            setrlimit(Resource::Nofile, limit)?;
        }
        bound_to.map_or(Ok(()), bind_to)
    };
    // SAFETY: between fork and exec there is one thread, and threads that no longer exist may have held locks. The
    // closure takes no locks: it only calls signal(2), setrlimit(2), prctl(2) or procctl(2), and getppid(2), and reads a
    // slice that was complete before the fork. It neither allocates nor frees: an error of the system is a number.
    unsafe { command.pre_exec(reset_inherited) };
}

/// Has the system kill this process when its parent ends.
///
/// # Errors
///
/// Returns an error if the parent has ended already.
#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn bind_to(parent: Pid) -> std::io::Result<()> {
    use rustix::io::Errno;
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};

    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH.into()) }
}

/// Does nothing: other systems do not offer it.
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn bind_to(_: Pid) -> std::io::Result<()> {
    Ok(())
}
