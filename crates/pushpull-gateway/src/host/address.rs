//! What a server listens on: a TCP port or a Unix socket.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::address::Address;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Who may connect to a Unix socket: its owner and group.
const MODE: u32 = 0o660;

/// A socket that a server listens on.
#[derive(Debug)]
pub struct Listener(pub(super) Kind);

#[derive(Debug)]
pub(super) enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener, Option<SocketFile>),
}

impl Listener {
    /// Listens on a host and port.
    ///
    /// # Errors
    ///
    /// When that cannot be listened on, because the port is taken, for example.
    pub fn tcp(address: impl ToSocketAddrs) -> io::Result<Listener> {
        TcpListener::bind(address).map(Listener::from)
    }

    /// Listens on a Unix socket: its file is made here, with mode 0660, and goes when no more connections are accepted. One
    /// that another server has left behind is replaced.
    ///
    /// # Errors
    ///
    /// When a server listens there (`AddrInUse`), or there is a file that is no socket, or the path is too long or cannot be
    /// written to.
    pub fn unix(path: impl Into<PathBuf>) -> io::Result<Listener> {
        let path = std::path::absolute(path.into())?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        let address = SockAddr::unix(&path)?;
        match socket.bind(&address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_stale(&path)?;
                socket.bind(&address)?;
            }
            bound => bound?,
        }
        // Before anybody could connect.
        fs::set_permissions(&path, fs::Permissions::from_mode(MODE))?;
        let file = SocketFile::new(path)?;
        socket.listen(BACKLOG)?;
        Ok(Listener(Kind::Unix(socket.into(), Some(file))))
    }

    /// Listens on either.
    ///
    /// # Errors
    ///
    /// As [`tcp`](Listener::tcp) and [`unix`](Listener::unix).
    pub fn bind(address: &Address) -> io::Result<Listener> {
        match address {
            Address::Tcp(address) => Listener::tcp(&address[..]),
            Address::Unix(path) => Listener::unix(path),
        }
    }

    /// The address that it listens on: a port that was 0 is the one that was taken.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<Address> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().map(|address| Address::Tcp(address.to_string())),
            Kind::Unix(_, Some(file)) => Ok(Address::Unix(file.path.clone())),
            Kind::Unix(listener, None) => {
                let address = listener.local_addr()?;
                Ok(Address::Unix(address.as_pathname().unwrap_or(Path::new("")).to_owned()))
            }
        }
    }

    /// The address of a TCP port.
    ///
    /// # Errors
    ///
    /// When it is none, or the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr(),
            Kind::Unix(..) => Err(io::Error::new(io::ErrorKind::InvalidInput, "a Unix socket has no port")),
        }
    }

    /// Whether nobody on another machine can connect to it.
    pub(super) fn is_local(&self) -> bool {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback()),
            Kind::Unix(..) => true,
        }
    }

    pub(super) fn set_nonblocking(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Tcp(listener) => listener.set_nonblocking(true),
            Kind::Unix(listener, _) => listener.set_nonblocking(true),
        }
    }

    /// The same socket for another thread.
    pub(super) fn share(&self) -> io::Result<Listener> {
        Ok(Listener(match &self.0 {
            Kind::Tcp(listener) => Kind::Tcp(listener.try_clone()?),
            Kind::Unix(listener, _) => Kind::Unix(listener.try_clone()?, None),
        }))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Kind::Tcp(listener) => listener.as_fd(),
            Kind::Unix(listener, _) => listener.as_fd(),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Listener {
        Listener(Kind::Tcp(listener))
    }
}

impl From<UnixListener> for Listener {
    /// Its file stays when the server stops.
    fn from(listener: UnixListener) -> Listener {
        Listener(Kind::Unix(listener, None))
    }
}

/// Removes a socket that nobody listens on.
fn remove_stale(path: &Path) -> io::Result<()> {
    let told = |kind, what: &str| Err(io::Error::new(kind, format!("{}: {what}", path.display())));
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return told(io::ErrorKind::AlreadyExists, "there is a file that is no socket");
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Ok(_) => told(io::ErrorKind::AddrInUse, "a server listens there"),
        Err(error) => told(error.kind(), &format!("a server may be listening there: {error}")),
    }
}

/// The file of a socket, which goes with it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Which file it is: another server may have replaced it.
    file: (u64, u64),
}

impl SocketFile {
    fn new(path: PathBuf) -> io::Result<SocketFile> {
        let file = identity(&path)?;
        Ok(SocketFile { path, file })
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirement_23_a_unix_socket_is_for_owner_and_group_and_goes_with_its_server() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = Listener::unix(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert_eq!(listener.address().unwrap(), Address::Unix(path.clone()));
        assert!(listener.is_local());
        // The clones of other threads leave it alone.
        drop(listener.share().unwrap());
        assert!(path.exists());
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_in_use_is_refused_and_a_stale_one_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let first = Listener::unix(&path).unwrap();
        assert_eq!(Listener::unix(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(path.exists());
        drop(first);
        // As a server leaves it that was killed.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let second = Listener::unix(&path).unwrap();
        // One that was replaced does not take the other's file away.
        fs::remove_file(&path).unwrap();
        let third = Listener::unix(&path).unwrap();
        drop(second);
        assert!(path.exists());
        drop(third);
        fs::write(&path, "text").unwrap();
        assert_eq!(Listener::unix(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"text");
    }
}
