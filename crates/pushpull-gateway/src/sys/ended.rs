//! The end of a child process, waited for by a task.
//!
//! On Linux the descriptor of the process becomes readable. Elsewhere SIGCHLD says that some child has ended, and each
//! waiting task asks for its own.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

pub(crate) use self::system::Ended;

#[cfg(all(target_os = "linux", not(pushpull_system_waits)))]
mod system {
    use std::os::fd::OwnedFd;

    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::*;
    use crate::sys::descriptors::with_room;

    /// What tells of the end of a process.
    #[derive(Debug)]
    pub(crate) struct Ended(AsyncFd<OwnedFd>);

    impl Ended {
        /// Watches a child that is not reaped. Must be called within a runtime.
        pub(crate) fn of(child: Pid) -> io::Result<Ended> {
            let ended = with_room(|| Ok(pidfd_open(child, PidfdFlags::NONBLOCK)?))?;
            #[allow(
                deprecated,
                reason = "unsound only for a type that closes its descriptor early: an `OwnedFd` does not"
            )]
            AsyncFd::with_interest(ended, Interest::READABLE).map(Ended)
        }

        /// Polls until `ask` returns something. It is asked when the process may have ended.
        pub(crate) fn poll<T>(&self, context: &mut Context<'_>, mut ask: impl FnMut() -> Option<T>) -> Poll<T> {
            loop {
                // A runtime that is shutting down returns an error, and drops `self` next.
                let Ok(mut ready) = ready!(self.0.poll_read_ready(context)) else { return Poll::Pending };
                match ask() {
                    Some(answer) => return Poll::Ready(answer),
                    None => ready.clear_ready(),
                }
            }
        }

        /// Signals the process.
        pub(crate) fn signal(&self, _: Pid, signal: Signal) {
            let _ = pidfd_send_signal(&self.0, signal);
        }
    }
}

#[cfg(not(all(target_os = "linux", not(pushpull_system_waits))))]
mod system {
    use std::fmt;

    use parking_lot::Mutex;
    use rustix::process::kill_process;
    use tokio::signal::unix::{SignalKind, signal};

    use super::*;

    /// What tells of the end of a process: a signal that comes for every child.
    pub(crate) struct Ended(Mutex<tokio::signal::unix::Signal>);

    impl Ended {
        /// Watches a child that is not reaped. Must be called within a runtime.
        pub(crate) fn of(_: Pid) -> io::Result<Ended> {
            signal(SignalKind::child()).map(Mutex::new).map(Ended)
        }

        /// Polls until `ask` returns something. It is asked when the process may have ended.
        pub(crate) fn poll<T>(&self, context: &mut Context<'_>, mut ask: impl FnMut() -> Option<T>) -> Poll<T> {
            loop {
                // The child may have ended before the signal was caught. One that comes after this question is kept.
                if let Some(answer) = ask() {
                    return Poll::Ready(answer);
                }
                if ready!(self.0.lock().poll_recv(context)).is_none() {
                    return Poll::Pending;
                }
            }
        }

        /// Signals the process, which is not reaped: its number belongs to no other.
        pub(crate) fn signal(&self, child: Pid, signal: Signal) {
            let _ = kill_process(child, signal);
        }
    }

    impl fmt::Debug for Ended {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Ended")
        }
    }
}

/// Blocks until a killed child has ended, or `time` has passed. Does not reap it.
pub(crate) fn wait_for(child: Pid, time: Duration) {
    #[cfg(target_os = "linux")]
    {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        use rustix::process::{PidfdFlags, pidfd_open};

        if let Ok(ended) = pidfd_open(child, PidfdFlags::empty()) {
            let time = Timespec::try_from(time).ok();
            let _ = poll(&mut [PollFd::new(&ended, PollFlags::IN)], time.as_ref());
            return;
        }
    }
    // No descriptor is available, or the system has none for processes: check at intervals.
    let until = Instant::now() + time;
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    while matches!(waitid(WaitId::Pid(child), options), Ok(None)) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
}
