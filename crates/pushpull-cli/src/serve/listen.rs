//! The socket that the server listens on: its own, or one that a service manager hands over.
#![allow(unsafe_code, reason = "the standard library takes no descriptor by its number otherwise")]

use std::env;
use std::fs;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use pushpull_gateway::host::{Address, Listener};
use rustix::process::getppid;

use super::values::based;

/// The first descriptor that systemd hands over (sd_listen_fds(3)).
const FIRST: i32 = 3;

/// The value of `--listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    Address(Address),
    /// A descriptor that was open when the server started.
    Descriptor(i32),
    /// A descriptor with this name in `LISTEN_FDNAMES`.
    Named(String),
    /// Descriptor 0, as spawn-fcgi and inetd hand it over.
    Stdin,
}

impl Listen {
    pub fn parse(text: &str) -> Option<Listen> {
        match text.strip_prefix("fd:") {
            None if text == "stdin" => Some(Listen::Stdin),
            None => text.parse().ok().map(Listen::Address),
            Some("") => None,
            Some(name) => Some(name.parse().ok().filter(|number| *number >= 0).map_or_else(
                || Listen::Named(name.to_owned()),
                |number| if number == 0 { Listen::Stdin } else { Listen::Descriptor(number) },
            )),
        }
    }

    /// Returns the socket, where a relative path begins at `base`.
    pub fn based(self, base: &Path) -> Listen {
        match self {
            Listen::Address(address) => Listen::Address(based(address, base)),
            other => other,
        }
    }

    /// Returns `true` if the socket could be a Unix socket.
    pub fn may_be_unix(&self) -> bool {
        !matches!(self, Listen::Address(Address::Tcp(_)))
    }
}

/// Returns what to listen on without `--listen`: the socket that systemd hands over, or a local port.
pub fn default() -> Result<Listen, String> {
    match &handed_over()[..] {
        [] => Ok(Listen::Address(Address::Tcp("127.0.0.1:8080".to_owned()))),
        [_] => Ok(Listen::Descriptor(FIRST)),
        names => Err(format!(
            "{} sockets were handed over: expected one, or --listen fd:NAME with one of {}",
            names.len(),
            names.join(", ")
        )),
    }
}

/// Takes a socket that was handed over, or returns `None` for one that has to be bound. Closes the others that were
/// handed over, because programs would inherit them. Must be called before this process opens any socket.
pub fn take(listen: &Listen) -> Result<Option<Listener>, String> {
    let names = handed_over();
    let number = match listen {
        Listen::Address(_) | Listen::Stdin => None,
        Listen::Descriptor(number) => Some(*number),
        Listen::Named(name) => {
            let Some(place) = names.iter().position(|other| other == name) else {
                return Err(format!("no socket named {name:?} was handed over: expected one of {names:?}"));
            };
            Some(FIRST + place as i32)
        }
    };
    for other in (FIRST..).take(names.len()).filter(|other| Some(*other) != number) {
        let _ = take_descriptor(other);
    }
    let taken = match (listen, number) {
        (Listen::Address(_), _) => return Ok(None),
        (_, Some(number)) => take_descriptor(number),
        (_, None) => take_stdin(),
    };
    #[cfg(target_os = "linux")]
    let listener = taken.and_then(Listener::inherited);
    #[cfg(not(target_os = "linux"))]
    let listener = taken.and_then(|_| Err(io::Error::from(io::ErrorKind::Unsupported)));
    listener.map(Some).map_err(|error| format!("cannot listen on {}: {error}", described(listen)))
}

fn described(listen: &Listen) -> String {
    match listen {
        Listen::Address(address) => address.to_string(),
        Listen::Descriptor(number) => format!("fd:{number}"),
        Listen::Named(name) => format!("fd:{name}"),
        Listen::Stdin => "stdin".to_owned(),
    }
}

/// Binds an address.
pub fn bind(listen: &Listen) -> Result<Listener, String> {
    let Listen::Address(address) = listen else { unreachable!("it was taken") };
    Listener::bind(address)
        .map_err(|error| format!("cannot listen on {address}: {error}; expected a free local address"))
}

/// Returns the names of the sockets that were handed over to this process. Systemd calls those without a name
/// `unknown`.
fn handed_over() -> Vec<String> {
    let variable = |name| env::var(name).unwrap_or_default();
    if !is_meant(&variable("LISTEN_PID")) {
        return Vec::new();
    }
    let (count, names) = (variable("LISTEN_FDS").parse().unwrap_or(0), variable("LISTEN_FDNAMES"));
    names.split(':').map(str::to_owned).chain(std::iter::repeat("unknown".to_owned())).take(count).collect()
}

/// Returns `true` if a process id names this process. In a container, process 1 starts the server and hands its sockets
/// on.
pub fn is_meant(process: &str) -> bool {
    let is_child_of_1 = || getppid().is_some_and(|parent| parent.is_init());
    process == std::process::id().to_string() || process == "1" && is_child_of_1()
}

/// Returns another handle of descriptor 0. Each program has a standard input of its own.
fn take_stdin() -> io::Result<OwnedFd> {
    io::stdin().as_fd().try_clone_to_owned()
}

fn take_descriptor(number: i32) -> io::Result<OwnedFd> {
    let file = fs::metadata(format!("/dev/fd/{number}"));
    if !file.is_ok_and(|file| file.file_type().is_socket()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not an open socket"));
    }
    // SAFETY: the descriptor is open. It is a socket, and this process has not opened any yet, so nothing in this
    // process owns it. Each is taken once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_named_by_address_number_or_name() {
        let parsed = |text| Listen::parse(text).map(|listen| described(&listen));
        for text in ["127.0.0.1:80", "unix:/run/a.sock", "fd:3", "fd:http", "stdin"] {
            assert_eq!(parsed(text).as_deref(), Some(text));
        }
        assert_eq!(Listen::parse("fd:0"), Some(Listen::Stdin));
        assert_eq!(Listen::parse("fd:-1"), Some(Listen::Named("-1".to_owned())));
        assert!(["", "fd:", "stdout", "80"].iter().all(|text| Listen::parse(text).is_none()));
    }
}
