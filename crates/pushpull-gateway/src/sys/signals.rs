//! The signals that stop a server.

use std::io;
use std::task::{Context, Poll};

/// Catches the signals that stop a server; SIGHUP is one of them if `hangup` is set. Must be called within a runtime.
///
/// # Errors
///
/// Returns an error if a signal cannot be caught.
#[cfg(unix)]
pub(crate) fn stopping(hangup: bool) -> io::Result<Vec<Signal>> {
    use tokio::signal::unix::{SignalKind, signal};

    let ignored = super::ignored::ignored();
    let is_ignored = |kind: SignalKind| ignored.contains(&kind.as_raw_value());
    let mut unheeded = vec![SignalKind::user_defined1(), SignalKind::user_defined2(), SignalKind::alarm()];
    unheeded.push(SignalKind::from_raw(libc::SIGXFSZ));
    if is_ignored(SignalKind::child()) {
        unheeded.push(SignalKind::child());
    }
    let mut stops = vec![SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit()];
    if hangup {
        let kinds = if is_ignored(SignalKind::hangup()) { &mut unheeded } else { &mut stops };
        kinds.push(SignalKind::hangup());
    }
    // Catch the signals instead of ignoring them: programs inherit ignored signals. A signal stays caught after its
    // listener is dropped.
    for kind in unheeded {
        drop(signal(kind)?);
    }
    stops.into_iter().map(|kind| signal(kind).map(Signal)).collect()
}

/// Catches SIGHUP. Must be called within a runtime.
///
/// # Errors
///
/// Returns an error if it cannot be caught.
#[cfg(unix)]
pub(crate) fn hangup() -> io::Result<Signal> {
    use tokio::signal::unix::{SignalKind, signal};

    signal(SignalKind::hangup()).map(Signal)
}

/// A caught signal.
#[cfg(unix)]
pub(crate) struct Signal(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signal {
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<()>> {
        self.0.poll_recv(context)
    }
}

#[cfg(windows)]
pub(crate) fn stopping(_hangup: bool) -> io::Result<Vec<Signal>> {
    use tokio::signal::windows;

    Ok(vec![
        Signal::C(windows::ctrl_c()?),
        Signal::Break(windows::ctrl_break()?),
        Signal::Close(windows::ctrl_close()?),
        Signal::Shutdown(windows::ctrl_shutdown()?),
    ])
}

/// Returns an error: there is no SIGHUP.
#[cfg(windows)]
pub(crate) fn hangup() -> io::Result<Signal> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A caught event of the console.
#[cfg(windows)]
pub(crate) enum Signal {
    C(tokio::signal::windows::CtrlC),
    Break(tokio::signal::windows::CtrlBreak),
    Close(tokio::signal::windows::CtrlClose),
    Shutdown(tokio::signal::windows::CtrlShutdown),
}

#[cfg(windows)]
impl Signal {
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<()>> {
        match self {
            Signal::C(signal) => signal.poll_recv(context),
            Signal::Break(signal) => signal.poll_recv(context),
            Signal::Close(signal) => signal.poll_recv(context),
            Signal::Shutdown(signal) => signal.poll_recv(context),
        }
    }
}
