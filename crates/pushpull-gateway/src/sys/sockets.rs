//! Unix sockets where there are any, and what a TCP socket tells about its other end.

use std::io;
#[cfg(unix)]
pub(crate) use std::os::fd::{AsFd as AsSocket, BorrowedFd as BorrowedSocket};
#[cfg(unix)]
pub(crate) use std::os::unix::net as blocking;
#[cfg(windows)]
pub(crate) use std::os::windows::io::{AsSocket, BorrowedSocket};
use std::time::Duration;

use rustix::net::{RecvFlags, recv};
use tokio::net::TcpStream;
#[cfg(unix)]
pub(crate) use tokio::net::{UnixListener, UnixStream};

#[cfg(windows)]
pub(crate) use self::absent::{UnixListener, UnixStream, blocking};

/// Reads bytes and leaves them on the socket.
///
/// # Errors
///
/// Returns `WouldBlock` if there are none.
pub(crate) fn peek(socket: &impl AsSocket, into: &mut [u8]) -> io::Result<usize> {
    Ok(recv(socket, into, RecvFlags::PEEK)?.0)
}

/// Reads bytes of a socket that does not block.
///
/// # Errors
///
/// Returns `WouldBlock` if there are none.
pub(crate) fn take(socket: &impl AsSocket, into: &mut [u8]) -> io::Result<usize> {
    #[cfg(unix)]
    let flags = RecvFlags::DONTWAIT;
    #[cfg(windows)]
    let flags = RecvFlags::empty();
    Ok(recv(socket, into, flags)?.0)
}

/// Writes to a socket that does not block, whatever the runtime knows of its room. Returns the number of bytes.
///
/// # Errors
///
/// Returns `WouldBlock` if there is no room.
#[cfg(unix)]
pub(crate) fn send(socket: &impl AsSocket, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
    use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

    #[cfg(not(target_vendor = "apple"))]
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    // The standard library sets the same for the socket.
    #[cfg(target_vendor = "apple")]
    let flags = SendFlags::DONTWAIT;
    Ok(sendmsg(socket, slices, &mut SendAncillaryBuffer::default(), flags)?)
}

#[cfg(windows)]
pub(crate) fn send(socket: &impl AsSocket, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
    socket2::SockRef::from(socket).send_vectored(slices)
}

/// Waits until all written bytes were sent, for at most `within`. Returns the stream.
///
/// # Errors
///
/// Returns an error if the socket accepts no options, because the connection is closed already.
#[cfg(target_os = "linux")]
pub(crate) async fn sent(stream: TcpStream, within: Duration) -> io::Result<TcpStream> {
    // With this option, a socket is writable only if nothing is unsent. Registering it again queries the state again.
    let stream = stream.into_std()?;
    socket2::SockRef::from(&stream).set_tcp_notsent_lowat(1)?;
    let stream = TcpStream::from_std(stream)?;
    let _ = tokio::time::timeout(within, stream.writable()).await;
    Ok(stream)
}

/// Waits for a time in which a client that reads receives what was written, because the system does not tell. The
/// client still sees a cut if the time was too short, but less of what came before it.
#[cfg(not(target_os = "linux"))]
pub(crate) async fn sent(stream: TcpStream, within: Duration) -> io::Result<TcpStream> {
    /// Many round trips.
    const TIME: Duration = Duration::from_secs(1);
    tokio::time::sleep(TIME.min(within)).await;
    Ok(stream)
}

/// The types of Unix sockets on a system that has none for this crate. No value of them exists.
#[cfg(windows)]
mod absent {
    use std::convert::Infallible;
    use std::io;
    use std::ops::Deref;

    use tokio::net::{TcpListener, TcpStream};

    #[derive(Debug)]
    pub(crate) struct UnixStream(Infallible);

    #[derive(Debug)]
    pub(crate) struct UnixListener(Infallible);

    impl Deref for UnixStream {
        type Target = TcpStream;

        fn deref(&self) -> &TcpStream {
            match self.0 {}
        }
    }

    impl Deref for UnixListener {
        type Target = TcpListener;

        fn deref(&self) -> &TcpListener {
            match self.0 {}
        }
    }

    impl UnixStream {
        pub(crate) fn from_std(stream: blocking::UnixStream) -> io::Result<UnixStream> {
            match stream.0 {}
        }

        pub(crate) fn into_std(self) -> io::Result<blocking::UnixStream> {
            match self.0 {}
        }
    }

    impl UnixListener {
        pub(crate) fn from_std(listener: blocking::UnixListener) -> io::Result<UnixListener> {
            match listener.0 {}
        }

        pub(crate) async fn accept(&self) -> io::Result<(UnixStream, ())> {
            match self.0 {}
        }
    }

    /// The types of the standard library.
    pub(crate) mod blocking {
        use std::convert::Infallible;

        #[derive(Debug)]
        pub(crate) struct UnixStream(pub(super) Infallible);

        #[derive(Debug)]
        pub(crate) struct UnixListener(pub(super) Infallible);

        impl std::ops::Deref for UnixListener {
            type Target = std::net::TcpListener;

            fn deref(&self) -> &std::net::TcpListener {
                match self.0 {}
            }
        }

        impl UnixListener {
            pub(crate) fn try_clone(&self) -> std::io::Result<UnixListener> {
                match self.0 {}
            }
        }
    }
}
