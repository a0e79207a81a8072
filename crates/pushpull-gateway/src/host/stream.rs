//! The socket of a connection, TCP or Unix. Reads and writes need only a shared reference.

use std::cell::{Cell, OnceCell};
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BufMut;
use socket2::SockRef;
use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::proxied::NoHeader;
use super::proxy_protocol::{BadHeader, Header, MAX_HEADER, header};
use super::stats::Counters;
use crate::cgi::request::Connection;
use crate::sys::sockets::{self, AsSocket, BorrowedSocket, UnixStream, blocking};

/// How many of a client's unread bytes are discarded before a close, and for how long.
pub(super) const MAX_UNREAD: u64 = 16 << 20;
pub(super) const UNREAD_TIME: Duration = Duration::from_secs(5);

/// The time that the last bytes of a cut response have to arrive.
pub(super) const LAST_TIME: Duration = Duration::from_millis(50);

/// The server's address, if the system does not tell it.
const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// The number of bytes peeked at once.
const PIECE: usize = 16 * 1024;

/// The socket of a connection.
///
/// A cut connection must end visibly. TCP has a reset for that. A Unix socket is reset only if it is closed with bytes
/// unread. Therefore bytes can be peeked first, and are taken off the socket once it is known whether they are the last
/// ones.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    /// `true` if reads peek first.
    peeks: Cell<bool>,
    /// `true` if one byte is to stay on the socket when the others are taken.
    leaves_last: Cell<bool>,
    /// The number of bytes that were read but not yet taken off the socket.
    untaken: Cell<usize>,
    /// `true` if writes are tried although the socket does not report room.
    tries_writes: Cell<bool>,
    /// The ends that a proxy has named.
    ends: Cell<Option<Connection>>,
    /// Counts the bytes of requests and responses.
    counters: OnceCell<Counters>,
}

#[derive(Debug)]
enum Socket {
    /// With the client's address, which the system no longer tells after a reset.
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// A connection on its way to another thread.
#[derive(Debug)]
pub(super) enum Detached {
    Tcp(std::net::TcpStream, SocketAddr),
    Unix(blocking::UnixStream),
}

macro_rules! either {
    ($stream:expr, $name:ident => $call:expr) => {
        match &$stream.socket {
            Socket::Tcp($name, _) => $call,
            Socket::Unix($name) => $call,
        }
    };
}

impl Stream {
    pub(super) fn tcp(stream: TcpStream, peer: SocketAddr) -> Stream {
        Stream::new(Socket::Tcp(stream, peer), false)
    }

    pub(super) fn unix(stream: UnixStream) -> Stream {
        Stream::new(Socket::Unix(stream), true)
    }

    fn new(socket: Socket, peeks: bool) -> Stream {
        Stream {
            socket,
            peeks: Cell::new(peeks),
            leaves_last: Cell::new(false),
            untaken: Cell::new(0),
            tries_writes: Cell::new(false),
            ends: Cell::new(None),
            counters: OnceCell::new(),
        }
    }

    /// Sets what counts the bytes.
    pub(super) fn count(&self, counters: Counters) {
        let _ = self.counters.set(counters);
    }

    /// Makes reads take their bytes at once, for protocols in which a close does not mark the end of a response.
    pub(super) fn take_at_once(&self) {
        self.peeks.set(false);
    }

    /// Sets whether the last byte read is the request's last, which stays on the socket until the response is complete.
    pub(super) fn leave_last(&self, leaves_last: bool) {
        self.leaves_last.set(leaves_last);
    }

    /// Returns the addresses of the two ends, as a proxy has named them. Returns `None` on a Unix socket without such a
    /// proxy.
    pub(super) fn ends(&self) -> Option<Connection> {
        match &self.socket {
            _ if self.ends.get().is_some() => self.ends.get(),
            Socket::Tcp(stream, peer) => Some(Connection::new(*peer, stream.local_addr().unwrap_or(UNKNOWN))),
            Socket::Unix(_) => None,
        }
    }

    /// Sets the addresses that a proxy has named, if it has.
    pub(super) fn set_ends(&self, ends: Option<Connection>) {
        self.ends.set(ends);
    }

    /// Takes a header of the PROXY protocol off the socket, and no byte more.
    pub(super) async fn take_proxy_header(&self) -> Result<Header, NoHeader> {
        loop {
            let ready = self.ready(Interest::READABLE).await.map_err(NoHeader::Failed)?;
            let peek = || {
                let mut piece = [0; MAX_HEADER];
                let count = sockets::peek(self, &mut piece)?;
                match header(&piece[..count]) {
                    _ if count == 0 => Ok(Err(NoHeader::Closed)),
                    // Another byte makes the socket ready again.
                    Ok(None) if !ready.is_read_closed() => Err(io::ErrorKind::WouldBlock.into()),
                    Ok(None) => Ok(Err(NoHeader::Bad(BadHeader::Cut))),
                    Ok(Some(header)) => {
                        sockets::take(self, &mut piece[..header.length])?;
                        Ok(Ok(header))
                    }
                    Err(bad) => Ok(Err(NoHeader::Bad(bad))),
                }
            };
            match either!(self, stream => stream.try_io(Interest::READABLE, peek)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(NoHeader::Failed(error)),
                Ok(taken) => return taken,
            }
        }
    }

    /// Returns the client's address, for the log.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.ends().map(|ends| ends.remote)
    }

    /// Disables Nagle's algorithm (TCP), so that flushed bytes are sent at once.
    pub(super) fn set_nodelay(&self) {
        if let Socket::Tcp(stream, _) = &self.socket {
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

    /// Records that the socket was not ready after all.
    fn clear(&self, interest: Interest) {
        let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _ = either!(self, stream => stream.try_io(interest, nothing));
    }

    /// Reads up to `max` bytes; 0 means the end. After a shorter read, the next poll waits without another system
    /// call.
    pub(super) fn poll_read(
        &self,
        context: &mut Context<'_>,
        into: &mut impl BufMut,
        max: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_read_ready(context))?;
            let read = if self.peeks.get() {
                ready!(self.poll_peek(context, into, max))
            } else {
                self.take(0)?;
                self.try_read_buf(&mut into.limit(max))
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(len) => {
                    self.counters.get().iter().for_each(|counters| counters.receive(len));
                    if len > 0 && len < max && !self.peeks.get() {
                        self.clear(Interest::READABLE);
                    }
                    return Poll::Ready(Ok(len));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Reads by peeking; the next call takes these bytes off the socket.
    fn poll_peek(&self, context: &mut Context<'_>, into: &mut impl BufMut, max: usize) -> Poll<io::Result<usize>> {
        self.take(usize::from(self.leaves_last.get()))?;
        let before = self.untaken.get();
        let mut piece = [0; PIECE];
        let piece = &mut piece[..max.saturating_add(before).min(PIECE)];
        let mut is_closed = false;
        loop {
            let peek = || sockets::peek(self, &mut *piece);
            let count = either!(self, stream => stream.try_io(Interest::READABLE, peek))?;
            if count > before {
                into.put_slice(&piece[before..count]);
                self.untaken.set(count);
                return Poll::Ready(Ok(count - before));
            }
            if count == 0 || is_closed {
                return Poll::Ready(Ok(0));
            }
            // Only peeked bytes are there. If the socket is still ready after `clear`, its end has been reached.
            self.clear(Interest::READABLE);
            ready!(self.poll_read_ready(context))?;
            is_closed = true;
        }
    }

    /// Takes the peeked bytes off the socket, except the last `leave`.
    fn take(&self, leave: usize) -> io::Result<()> {
        let untaken = self.untaken.get();
        if untaken > leave {
            sockets::take(self, &mut [0; PIECE][..untaken - leave])?;
            self.untaken.set(leave);
        }
        Ok(())
    }

    /// Makes the next writes try although the socket does not report room: see [`Stall`](super::stall::Stall).
    pub(super) fn try_writes(&self) {
        self.tries_writes.set(true);
    }

    /// Writes as much as the socket accepts.
    pub(super) fn poll_write(&self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.poll_send(context, || self.try_write_vectored(slices), || sockets::send(self, slices))
    }

    /// Writes by a call that does not block, and returns the number of bytes.
    pub(super) fn poll_write_by(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&Stream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let write = || write(self);
        self.poll_send(context, || either!(self, stream => stream.try_io(Interest::WRITABLE, write)), write)
    }

    /// Writes when the socket reports room, or anyway if it is to be tried.
    fn poll_send(
        &self,
        context: &mut Context<'_>,
        write: impl Fn() -> io::Result<usize>,
        write_anyway: impl FnOnce() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let sent = loop {
            match self.poll_write_ready(context) {
                Poll::Ready(ready) => ready?,
                Poll::Pending if self.tries_writes.get() => break ready!(self.tried(write_anyway()))?,
                Poll::Pending => return Poll::Pending,
            }
            match write() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => break written?,
            }
        };
        self.counters.get().iter().for_each(|counters| counters.send(sent));
        Poll::Ready(Ok(sent))
    }

    /// Returns what a write sent, however little. If the result is pending, the task is woken when there is more room.
    fn tried(&self, sent: io::Result<usize>) -> Poll<io::Result<usize>> {
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.tries_writes.set(false);
                Poll::Pending
            }
            sent => Poll::Ready(sent),
        }
    }

    /// Waits until the client closes its side or the whole connection, also while request bytes wait unread.
    #[cfg(all(target_os = "linux", not(pushpull_system_waits)))]
    pub(super) async fn gone(&self) {
        // The system reports the close separately (`EPOLLRDHUP`), and no read clears that report. Every other interest
        // is also met by unread bytes.
        while let Ok(ready) = self.ready(Interest::PRIORITY).await {
            if ready.is_read_closed() || ready.is_error() {
                return;
            }
            // Urgent data, which no protocol here uses.
            self.clear(Interest::PRIORITY);
        }
    }

    /// Waits until the client closes its side or the whole connection, also while request bytes wait unread.
    #[cfg(not(all(target_os = "linux", not(pushpull_system_waits))))]
    pub(super) async fn gone(&self) {
        /// Windows reports unread bytes again at once. A second handle sees them each time that it looks.
        const PAUSE: Duration = if cfg!(windows) { Duration::from_millis(100) } else { Duration::ZERO };
        // What a second handle waits for can be cleared without hiding it from the one that reads.
        let Ok(other) = self.second() else { return std::future::pending().await };
        while let Ok(ready) = other.ready(Interest::READABLE).await {
            if ready.is_read_closed() || ready.is_error() {
                return;
            }
            other.clear(Interest::READABLE);
            if !PAUSE.is_zero() {
                sleep(PAUSE).await;
            }
        }
    }

    /// Returns a second handle of the socket, registered with the runtime on its own.
    #[cfg(not(all(target_os = "linux", not(pushpull_system_waits))))]
    fn second(&self) -> io::Result<Stream> {
        let socket = SockRef::from(self).try_clone()?;
        match &self.socket {
            Socket::Tcp(_, peer) => Detached::Tcp(socket.into(), *peer).attach(),
            #[cfg(unix)]
            Socket::Unix(_) => Detached::Unix(socket.into()).attach(),
            #[cfg(windows)]
            Socket::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Closes without a reset: shuts down writing, then discards what the client sends until the client closes too.
    /// Closing with bytes unread would reset the connection, and the client could lose the response.
    pub(super) async fn linger(&self) {
        self.take_at_once();
        let _ = SockRef::from(self).set_linger(None);
        // If the client has disconnected, nothing is left to take.
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

    /// Makes the close a reset (TCP), even if the system closes the socket because the process is killed.
    pub(super) fn set_zero_linger(&self) {
        if let Socket::Tcp(stream, _) = &self.socket {
            let _ = stream.set_zero_linger();
        }
    }

    pub(super) fn detach(self) -> io::Result<Detached> {
        match self.socket {
            Socket::Tcp(stream, peer) => stream.into_std().map(|stream| Detached::Tcp(stream, peer)),
            Socket::Unix(stream) => stream.into_std().map(Detached::Unix),
        }
    }

    /// Closes with a reset once all written bytes are on their way. If the close marks the end of a response, only a
    /// reset shows that the response is truncated. The reset follows a moment after the bytes. A client that receives
    /// both together may discard the bytes, or take them for the whole response, as lighttpd does.
    pub(super) async fn reset(self, within: Duration) {
        let stream = match self.socket {
            Socket::Tcp(stream, _) => stream,
            Socket::Unix(stream) => {
                sleep(LAST_TIME).await;
                return drop(stream);
            }
        };
        let sent = async {
            let stream = sockets::sent(stream, within).await?;
            sleep(LAST_TIME).await;
            stream.set_zero_linger()
        };
        // If the socket accepts no options, the connection is closed already.
        let _ = sent.await;
    }
}

impl Detached {
    /// Registers the connection with the runtime of this thread.
    pub(super) fn attach(self) -> io::Result<Stream> {
        match self {
            Detached::Tcp(stream, peer) => TcpStream::from_std(stream).map(|stream| Stream::tcp(stream, peer)),
            Detached::Unix(stream) => UnixStream::from_std(stream).map(Stream::unix),
        }
    }
}

#[cfg(unix)]
impl AsSocket for Stream {
    fn as_fd(&self) -> BorrowedSocket<'_> {
        either!(self, stream => stream.as_fd())
    }
}

#[cfg(windows)]
impl AsSocket for Stream {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        either!(self, stream => stream.as_socket())
    }
}
