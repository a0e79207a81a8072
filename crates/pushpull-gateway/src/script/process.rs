//! A process and its group: starts, stops and reaps it.
//!
//! The process leads a group of its own. Until the process is reaped, its number cannot be given to another group. The
//! group is therefore signalled only before that.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpgid, kill_process_group, waitid};

use super::inherited::reset_inherited;
use crate::external::ExitStatus;
use crate::external::output::Failure;
use crate::service::report::Report;
use crate::sys::descriptors::{original, with_room};
use crate::sys::ended::{self, wait_for};

/// How long a dropped process is waited for after SIGKILL, before the wait moves to a thread.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// A process that is not reaped. If it is dropped, it is killed with its group, and reaped.
#[derive(Debug)]
pub(crate) struct Process {
    /// Tells of the end of the process. It is declared before `leader`, so that nothing polls it when `leader` is
    /// dropped.
    ended: ended::Ended,
    leader: Leader,
}

#[derive(Debug)]
struct Leader {
    /// `None` once it is reaped.
    child: Option<Child>,
    group: Pid,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Code(i32),
    Signal(i32),
    /// Other code has reaped the process, or the system has, because SIGCHLD is ignored.
    Unknown,
}

impl Ended {
    /// Returns the failure of a response whose program ended in this way.
    pub(super) fn failure(self, exit_status: ExitStatus, report: &Report) -> Option<Failure> {
        match self {
            Ended::Code(0) => None,
            Ended::Code(_) => exit_status.failing(self.to_string(), report),
            Ended::Signal(_) | Ended::Unknown => Some(Failure::Broken(self.to_string())),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Code(code) => write!(f, "the program exited with status {code}"),
            Ended::Signal(signal) => write!(f, "the program was terminated by signal {signal}"),
            Ended::Unknown => f.write_str("the program ended, but its status is unknown"),
        }
    }
}

/// This process's ends of the program's streams.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(super) stdin: Option<OwnedFd>,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

impl Process {
    /// Starts a process in a group of its own. Its output streams must be pipes.
    pub(super) fn start(command: &mut Command) -> io::Result<(Process, Streams)> {
        Process::spawn(command, None)
    }

    /// Starts a process as [`start`](Process::start) does. On Linux and FreeBSD, it is killed when this process ends. On
    /// Linux so it is when the thread that calls this ends.
    #[cfg(feature = "upstream")]
    pub(crate) fn start_bound(command: &mut Command) -> io::Result<(Process, Streams)> {
        Process::spawn(command, Some(rustix::process::getpid()))
    }

    fn spawn(command: &mut Command, bound_to: Option<Pid>) -> io::Result<(Process, Streams)> {
        command.process_group(0);
        let mut child = with_room(|| {
            let open_files = original();
            reset_inherited(command, *open_files, bound_to);
            command.spawn()
        })?;
        let group = Pid::from_child(&child);
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let leader = Leader { child: Some(child), group };
        let ended = ended::Ended::of(group)?;
        let (stdin, Some(stdout), Some(stderr)) = streams else {
            return Err(io::Error::other("the program's output is not piped"));
        };
        let streams = Streams { stdin: stdin.map(OwnedFd::from), stdout: stdout.into(), stderr: stderr.into() };
        Ok((Process { ended, leader }, streams))
    }

    pub(crate) fn id(&self) -> i32 {
        self.leader.group.as_raw_nonzero().get()
    }

    /// Polls for the end of the process. Does not reap it.
    pub(crate) fn poll_ended(&self, context: &mut Context<'_>) -> Poll<Ended> {
        self.ended.poll(context, || {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
            match waitid(WaitId::Pid(self.leader.group), options) {
                Ok(None) => None,
                Ok(Some(status)) => Some(match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Ended::Code(code),
                    (None, Some(signal)) => Ended::Signal(signal),
                    (None, None) => Ended::Unknown,
                }),
                Err(_) => Some(Ended::Unknown),
            }
        })
    }

    /// Reaps a process that has ended. Leaves its group alone.
    pub(super) fn reap(mut self) {
        self.leader.reap();
    }

    /// Kills the group, including a process that has not ended, and reaps the process.
    pub(crate) async fn kill(mut self) {
        self.signal(Signal::KILL);
        self.ended().await;
        self.leader.reap();
    }

    /// Sends SIGTERM to the group. When its leader has ended or `grace` has passed, kills the rest of the group.
    pub(crate) async fn stop(self, grace: Duration) {
        self.signal(Signal::TERM);
        let _ = tokio::time::timeout(grace, self.ended()).await;
        self.kill().await;
    }

    /// Signals the process alone.
    #[cfg(feature = "upstream")]
    pub(crate) fn signal_leader(&self, signal: Signal) {
        self.ended.signal(self.leader.group, signal);
    }

    async fn ended(&self) {
        std::future::poll_fn(|context| self.poll_ended(context).map(drop)).await;
    }

    /// Signals the group, and also its leader if that has moved to another group. Signals no process twice: after a
    /// second SIGTERM, some programs end without cleaning up.
    fn signal(&self, signal: Signal) {
        self.leader.signal_group(signal);
        if getpgid(Some(self.leader.group)) != Ok(self.leader.group) {
            self.ended.signal(self.leader.group, signal);
        }
    }
}

impl Leader {
    /// Signals the group. A group without processes is not an error.
    fn signal_group(&self, signal: Signal) {
        if self.child.is_some() {
            let _ = kill_process_group(self.group, signal);
        }
    }

    /// Reaps the process. Blocks if it has not ended.
    fn reap(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }
}

impl Drop for Leader {
    /// Kills a program that is no longer watched, because its runtime is shut down.
    fn drop(&mut self) {
        self.signal_group(Signal::KILL);
        let Some(mut child) = self.child.take() else { return };
        let _ = child.kill();
        wait_for(self.group, LAST_WAIT);
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        // The process hangs in the kernel. If there is no thread either, it remains a zombie until this process ends.
        let _ = thread::Builder::new().name("pushpull reaper".to_owned()).spawn(move || child.wait());
    }
}
