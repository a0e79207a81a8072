//! A connection's socket, of either kind. Whoever has a reference reads and writes.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BufMut;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};
use socket2::SockRef;
use tokio::io::{Interest, Ready};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

use crate::cgi::request::Connection;

/// How much of what a client still sends is read and thrown away, and for how long.
pub(super) const MAX_UNREAD: u64 = 16 << 20;
pub(super) const UNREAD_TIME: Duration = Duration::from_secs(5);

/// How long the last bytes of a response that is cut have to be taken.
pub(super) const LAST_TIME: Duration = Duration::from_millis(50);

/// How much is looked at, at once.
const PIECE: usize = 16 * 1024;

/// The socket of a connection.
///
/// To close so that the other side can see that something is missing, TCP has the reset. A Unix socket has one only if it is
/// closed with bytes unread: so bytes can be looked at, and taken when it is known whether they are the last ones.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    /// Whether bytes are looked at first.
    looks: Cell<bool>,
    /// Whether a byte is to be left when they are taken.
    leaves: Cell<bool>,
    /// How many bytes were given to the reader and not taken.
    untaken: Cell<usize>,
    /// Whether writes are tried until there is no room, whatever the system says of it.
    tries: Cell<bool>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// One on its way to another thread.
#[derive(Debug)]
pub(super) enum Detached {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

macro_rules! either {
    ($stream:expr, $name:ident => $call:expr) => {
        match &$stream.socket {
            Socket::Tcp($name) => $call,
            Socket::Unix($name) => $call,
        }
    };
}

impl Stream {
    pub(super) fn tcp(stream: TcpStream) -> Stream {
        Stream::new(Socket::Tcp(stream), false)
    }

    pub(super) fn unix(stream: UnixStream) -> Stream {
        Stream::new(Socket::Unix(stream), true)
    }

    fn new(socket: Socket, looks: bool) -> Stream {
        Stream {
            socket,
            looks: Cell::new(looks),
            leaves: Cell::new(false),
            untaken: Cell::new(0),
            tries: Cell::new(false),
        }
    }

    /// A close is not what tells the end, so that bytes need not be looked at first.
    pub(super) fn take_at_once(&self) {
        self.looks.set(false);
    }

    /// Whether the last byte that was read is the request's last, to be left until all is well.
    pub(super) fn leave(&self, leaves: bool) {
        self.leaves.set(leaves);
    }

    /// The two ends, where they have addresses.
    pub(super) fn ends(&self) -> Option<Connection> {
        match &self.socket {
            Socket::Tcp(stream) => Some(Connection::new(stream.peer_addr().ok()?, stream.local_addr().ok()?)),
            Socket::Unix(_) => None,
        }
    }

    /// The client's address, for the log.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.ends().map(|ends| ends.remote)
    }

    /// What is flushed is to be seen.
    pub(super) fn set_nodelay(&self) {
        if let Socket::Tcp(stream) = &self.socket {
            let _ = stream.set_nodelay(true);
        }
    }

    pub(super) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read_ready(context))
    }

    pub(super) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_write_ready(context))
    }

    pub(super) fn try_read_buf(&self, into: &mut impl BufMut) -> io::Result<usize> {
        either!(self, stream => stream.try_read_buf(into))
    }

    pub(super) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => stream.try_read(into))
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        either!(self, stream => stream.try_write(bytes))
    }

    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(self, stream => stream.try_write_vectored(slices))
    }

    async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        either!(self, stream => stream.ready(interest).await)
    }

    /// Says that there was nothing after all.
    fn clear(&self, interest: Interest) {
        let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _ = either!(self, stream => stream.try_io(interest, nothing));
    }

    /// Reads what there is, up to `most` bytes: 0 is the end. When it was less, the next poll waits without asking the
    /// system again.
    pub(super) fn poll_read(
        &self,
        context: &mut Context<'_>,
        into: &mut impl BufMut,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_read_ready(context))?;
            let read = if self.looks.get() {
                ready!(self.poll_looking(context, into, most))
            } else {
                self.take(0)?;
                self.try_read_buf(&mut into.limit(most))
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(len) => {
                    if len > 0 && len < most && !self.looks.get() {
                        self.clear(Interest::READABLE);
                    }
                    return Poll::Ready(Ok(len));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Gives what there is, and takes it the next time.
    fn poll_looking(&self, context: &mut Context<'_>, into: &mut impl BufMut, most: usize) -> Poll<io::Result<usize>> {
        self.take(usize::from(self.leaves.get()))?;
        let before = self.untaken.get();
        let mut piece = [0; PIECE];
        let piece = &mut piece[..most.saturating_add(before).min(PIECE)];
        let mut is_closed = false;
        loop {
            let look = || Ok(recv(self, &mut *piece, RecvFlags::PEEK)?.0);
            let count = either!(self, stream => stream.try_io(Interest::READABLE, look))?;
            if count > before {
                into.put_slice(&piece[before..count]);
                self.untaken.set(count);
                return Poll::Ready(Ok(count - before));
            }
            if count == 0 || is_closed {
                return Poll::Ready(Ok(0));
            }
            // Only what was left. Still ready after this means that there will be no more.
            self.clear(Interest::READABLE);
            ready!(self.poll_read_ready(context))?;
            is_closed = true;
        }
    }

    /// Takes what has been given, but for so many bytes.
    fn take(&self, leave: usize) -> io::Result<()> {
        let untaken = self.untaken.get();
        if untaken > leave {
            recv(self, &mut [0; PIECE][..untaken - leave], RecvFlags::DONTWAIT)?;
            self.untaken.set(leave);
        }
        Ok(())
    }

    /// Has writes tried, although the socket does not seem to have room: see [`Stall`](super::stall::Stall).
    pub(super) fn try_writes(&self) {
        self.tries.set(true);
    }

    /// Writes what the socket takes.
    pub(super) fn poll_write(&self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            match self.poll_write_ready(context) {
                Poll::Ready(ready) => ready?,
                Poll::Pending if self.tries.get() => return self.try_send(slices),
                Poll::Pending => return Poll::Pending,
            }
            match self.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    /// Writes what there is room for, however little. Pending: the task is woken when there is more.
    fn try_send(&self, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match sendmsg(self, slices, &mut SendAncillaryBuffer::default(), flags) {
            Err(rustix::io::Errno::AGAIN) => {
                self.tries.set(false);
                Poll::Pending
            }
            sent => Poll::Ready(sent.map_err(io::Error::from)),
        }
    }

    /// Waits until the client has closed its side, or all of the connection. Request bytes that nobody reads are no
    /// hindrance: it is a readiness of its own (`EPOLLRDHUP`), which no read takes away.
    pub(super) async fn gone(&self) {
        // Priority is asked for, since every other interest is also met by bytes that wait.
        while let Ok(ready) = self.ready(Interest::PRIORITY).await {
            if ready.is_read_closed() || ready.is_error() {
                return;
            }
            // Urgent data: nobody has asked for it.
            self.clear(Interest::PRIORITY);
        }
    }

    /// Closes in peace: says that no more will come, then takes what the client still sends until it closes too. A
    /// connection closed with bytes unread would be reset, and the answer with it.
    pub(super) async fn linger(&self) {
        self.take_at_once();
        let _ = SockRef::from(self).set_linger(None);
        // Of one that has gone nothing is left.
        let _ = self.take(0);
        if SockRef::from(self).shutdown(Shutdown::Write).is_err() {
            return;
        }
        let _ = timeout(UNREAD_TIME, self.discard()).await;
    }

    async fn discard(&self) -> io::Result<()> {
        let mut into = vec![0; 16 * 1024];
        let mut left = MAX_UNREAD;
        while left > 0 {
            self.ready(Interest::READABLE).await?;
            match self.try_read(&mut into) {
                Ok(0) => break,
                Ok(len) => left = left.saturating_sub(len as u64),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A close is to be a reset, on TCP, also the one that the system does for a process that is killed.
    pub(super) fn set_zero_linger(&self) {
        if let Socket::Tcp(stream) = &self.socket {
            let _ = stream.set_zero_linger();
        }
    }

    pub(super) fn detach(self) -> io::Result<Detached> {
        match self.socket {
            Socket::Tcp(stream) => stream.into_std().map(Detached::Tcp),
            Socket::Unix(stream) => stream.into_std().map(Detached::Unix),
        }
    }

    /// Closes with a reset once everything that was written is on its way: where the close is the end, nothing else shows
    /// that it is not whole. Whoever gets bytes and reset in one look may throw the bytes away, or, as lighttpd does, pass
    /// them off as all there was: so the reset comes a little later.
    pub(super) async fn reset(self, within: Duration) {
        let stream = match self.socket {
            Socket::Tcp(stream) => stream,
            Socket::Unix(stream) => {
                sleep(LAST_TIME).await;
                return drop(stream);
            }
        };
        let sent = async {
            // A writable socket is one with room, unless told to be one that has nothing unsent. A new registration asks
            // anew.
            let stream = stream.into_std()?;
            SockRef::from(&stream).set_tcp_notsent_lowat(1)?;
            let stream = TcpStream::from_std(stream)?;
            let _ = timeout(within, stream.writable()).await;
            sleep(LAST_TIME).await;
            stream.set_zero_linger()
        };
        // A socket that takes no options has gone already.
        let _ = sent.await;
    }
}

impl Detached {
    /// Takes it to the runtime of this thread.
    pub(super) fn attach(self) -> io::Result<Stream> {
        match self {
            Detached::Tcp(stream) => TcpStream::from_std(stream).map(Stream::tcp),
            Detached::Unix(stream) => UnixStream::from_std(stream).map(Stream::unix),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(self, stream => stream.as_fd())
    }
}
