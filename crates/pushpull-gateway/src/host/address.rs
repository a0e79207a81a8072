//! The sockets that a server listens on: TCP ports and Unix sockets.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;

pub(super) use self::file::SocketFile;
use crate::address::Address;
use crate::sys::sockets::blocking::UnixListener;
use crate::sys::sockets::{AsSocket, BorrowedSocket};

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
    /// Returns an error if the address cannot be listened on, for example because the port is taken.
    pub fn tcp(address: impl ToSocketAddrs) -> io::Result<Listener> {
        TcpListener::bind(address).map(Listener::from)
    }

    /// Listens on a Unix socket. Its file is created with mode 0660, and removed when the server stops accepting
    /// connections. If another server left a stale socket there, it is replaced.
    ///
    /// # Errors
    ///
    /// Returns `AddrInUse` if a server listens there. Returns an error if the path is a file other than a socket, is
    /// too long or cannot be written to. Returns `Unsupported` on Windows.
    pub fn unix(path: impl Into<PathBuf>) -> io::Result<Listener> {
        let (listener, file) = file::listen(path.into())?;
        Ok(Listener(Kind::Unix(listener, Some(file))))
    }

    /// Listens on a TCP port or a Unix socket, as the address says.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`tcp`](Listener::tcp) and [`unix`](Listener::unix).
    pub fn bind(address: &Address) -> io::Result<Listener> {
        match address {
            Address::Tcp(address) => Listener::tcp(&address[..]),
            Address::Unix(path) => Listener::unix(path),
        }
    }

    /// Listens on a socket that another process has opened and handed over, such as systemd. The file of a Unix socket
    /// stays when the server stops.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not a listening socket, of TCP or a Unix socket.
    #[cfg(target_os = "linux")]
    pub fn inherited(socket: std::os::fd::OwnedFd) -> io::Result<Listener> {
        use socket2::{Domain, Socket, Type};

        let socket = Socket::from(socket);
        let wrong = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        match socket.is_listener() {
            Ok(true) if socket.r#type()? == Type::STREAM => {}
            Ok(_) => return wrong("it is not a listening stream socket"),
            Err(error) => return wrong(&format!("it is not a listening stream socket: {error}")),
        }
        // Programs must not inherit it.
        socket.set_cloexec(true)?;
        match socket.domain()? {
            Domain::UNIX => Ok(Listener(Kind::Unix(socket.into(), None))),
            Domain::IPV4 | Domain::IPV6 => Ok(Listener(Kind::Tcp(socket.into()))),
            _ => wrong("it is neither a TCP nor a Unix socket"),
        }
    }

    /// Returns the address of the socket. If it was bound to port 0, the result has the port that the system chose.
    ///
    /// # Errors
    ///
    /// Returns an error if the system does not report the address.
    pub fn address(&self) -> io::Result<Address> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().map(|address| Address::Tcp(address.to_string())),
            Kind::Unix(_, Some(file)) => Ok(Address::Unix(file.path().to_owned())),
            Kind::Unix(listener, None) => file::path(listener).map(Address::Unix),
        }
    }

    /// Returns the address of the TCP port.
    ///
    /// # Errors
    ///
    /// Returns an error if the socket is a Unix socket, or if the system does not report the address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr(),
            Kind::Unix(..) => Err(io::Error::new(io::ErrorKind::InvalidInput, "a Unix socket has no port")),
        }
    }

    /// Returns `true` if other machines cannot connect.
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

    /// Returns a second handle of the socket, for another thread.
    pub(super) fn share(&self) -> io::Result<Listener> {
        Ok(Listener(match &self.0 {
            Kind::Tcp(listener) => Kind::Tcp(listener.try_clone()?),
            Kind::Unix(listener, _) => Kind::Unix(listener.try_clone()?, None),
        }))
    }
}

#[cfg(unix)]
impl AsSocket for Listener {
    fn as_fd(&self) -> BorrowedSocket<'_> {
        match &self.0 {
            Kind::Tcp(listener) => listener.as_fd(),
            Kind::Unix(listener, _) => listener.as_fd(),
        }
    }
}

#[cfg(windows)]
impl AsSocket for Listener {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        match &self.0 {
            Kind::Tcp(listener) => listener.as_socket(),
            Kind::Unix(listener, _) => listener.as_socket(),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Listener {
        Listener(Kind::Tcp(listener))
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    /// Wraps a listener whose file stays when the server stops.
    fn from(listener: UnixListener) -> Listener {
        Listener(Kind::Unix(listener, None))
    }
}

/// Unix sockets and their files.
#[cfg(unix)]
mod file {
    use std::fs;
    use std::io;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::{Path, PathBuf};

    use socket2::{Domain, SockAddr, Socket, Type};

    /// The maximum number of connections that wait to be accepted.
    const BACKLOG: i32 = 1024;

    /// The mode of a Unix socket: its owner and group may connect.
    const MODE: u32 = 0o660;

    /// Listens on a Unix socket.
    pub(super) fn listen(path: PathBuf) -> io::Result<(UnixListener, SocketFile)> {
        let path = std::path::absolute(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        let address = SockAddr::unix(&path)?;
        match socket.bind(&address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_stale(&path)?;
                socket.bind(&address)?;
            }
            bound => bound?,
        }
        // Set the mode before clients can connect.
        fs::set_permissions(&path, fs::Permissions::from_mode(MODE))?;
        let file = SocketFile::new(path)?;
        socket.listen(BACKLOG)?;
        Ok((socket.into(), file))
    }

    /// Returns the path of a socket whose file belongs to another.
    pub(super) fn path(listener: &UnixListener) -> io::Result<PathBuf> {
        Ok(listener.local_addr()?.as_pathname().unwrap_or(Path::new("")).to_owned())
    }

    /// Removes a socket on which no server listens.
    fn remove_stale(path: &Path) -> io::Result<()> {
        let failed = |kind, what: &str| Err(io::Error::new(kind, format!("{}: {what}", path.display())));
        if !fs::symlink_metadata(path)?.file_type().is_socket() {
            return failed(io::ErrorKind::AlreadyExists, "a file that is not a socket is in the way");
        }
        match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
            Ok(_) => failed(io::ErrorKind::AddrInUse, "another server listens here"),
            Err(error) => failed(error.kind(), &format!("another server may be listening here: {error}")),
        }
    }

    /// The file of a Unix socket, removed on drop.
    #[derive(Debug)]
    pub(in crate::host) struct SocketFile {
        path: PathBuf,
        /// Device and inode of the file. If another server has replaced the file, it stays.
        file: (u64, u64),
    }

    impl SocketFile {
        fn new(path: PathBuf) -> io::Result<SocketFile> {
            let file = identity(&path)?;
            Ok(SocketFile { path, file })
        }

        pub(super) fn path(&self) -> &Path {
            &self.path
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
}

/// The same names on a system without Unix sockets for this crate.
#[cfg(windows)]
mod file {
    use std::convert::Infallible;
    use std::io;
    use std::path::{Path, PathBuf};

    use crate::sys::sockets::blocking::UnixListener;

    #[derive(Debug)]
    pub(in crate::host) struct SocketFile(Infallible);

    impl SocketFile {
        pub(super) fn path(&self) -> &Path {
            match self.0 {}
        }
    }

    pub(super) fn listen(_: PathBuf) -> io::Result<(UnixListener, SocketFile)> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "there are no Unix sockets on this system: listen on a TCP port",
        ))
    }

    pub(super) fn path(_: &UnixListener) -> io::Result<PathBuf> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn requirement_23_a_unix_socket_is_for_owner_and_group_and_is_removed_with_its_server() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = Listener::unix(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert_eq!(listener.address().unwrap(), Address::Unix(path.clone()));
        assert!(listener.is_local());
        // Dropping the handle of another thread does not remove the file.
        drop(listener.share().unwrap());
        assert!(path.exists());
        drop(listener);
        assert!(!path.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_a_listening_stream_socket_is_taken_over() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        assert_eq!(Listener::inherited(tcp.into()).unwrap().local_addr().unwrap(), address);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        drop(Listener::inherited(UnixListener::bind(&path).unwrap().into()).unwrap());
        assert!(path.exists(), "the file belongs to the other process");
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for other in [one.into(), datagrams.into(), fs::File::open("/dev/null").unwrap().into()] {
            assert_eq!(Listener::inherited(other).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn a_socket_in_use_is_refused_and_a_stale_one_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let first = Listener::unix(&path).unwrap();
        assert_eq!(Listener::unix(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(path.exists());
        drop(first);
        // A killed server leaves its socket behind.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let second = Listener::unix(&path).unwrap();
        // A server whose socket was replaced leaves the other server's file alone.
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
