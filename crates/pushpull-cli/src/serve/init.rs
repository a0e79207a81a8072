//! Process 1, for example in a container. The system makes process 1 the parent of every orphan. The server runs as a
//! separate process, so that reaping orphans cannot take a program's exit status from the server.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::thread;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// The signals that stop the server or reload its configuration.
const PASSED_ON: [Signal; 4] = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];

/// Returns `true` if this is process 1 and the system says which file this program is.
pub fn is_needed() -> bool {
    std::process::id() == 1 && env::current_exe().is_ok()
}

/// Runs this program again as a separate process. Passes signals on, reaps every child, and exits with the
/// server's status.
///
/// # Errors
///
/// Returns an error if the process cannot be started, or the signals cannot be listened for.
pub fn run() -> Result<ExitCode, String> {
    let told = |error: std::io::Error| format!("cannot start the server as a child of process 1: {error}");
    let runtime = Builder::new_current_thread().enable_io().build().map_err(told)?;
    let (sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    runtime.block_on(async {
        // An ignored SIGCHLD would lose the exit status.
        drop(signal(SignalKind::child()).map_err(told)?);
        for passed in PASSED_ON {
            let (mut caught, sender) = (signal(SignalKind::from_raw(passed.as_raw())).map_err(told)?, sender.clone());
            tokio::spawn(async move {
                while caught.recv().await.is_some() {
                    let _ = sender.send(passed);
                }
            });
        }
        Ok::<(), String>(())
    })?;
    // A separate process group: a terminal's signals reach only this process, which passes them on.
    let program = env::current_exe().map_err(told)?;
    let server = Command::new(program).args(env::args_os().skip(1)).process_group(0).spawn().map_err(told)?;
    let server = Pid::from_child(&server);
    let pass_on = move || {
        runtime.block_on(async {
            while let Some(stopping) = signals.recv().await {
                let _ = kill_process(server, stopping);
            }
        });
    };
    thread::Builder::new().name("signals".to_owned()).spawn(pass_on).map_err(told)?;
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((ended, status))) if ended == server => return Ok(code(status)),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(told(error.into())),
        }
    }
}

/// Returns the exit code that a shell would report for this status.
fn code(status: WaitStatus) -> ExitCode {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
