//! The stream of a connection: hyper reads and writes it, while another looks whether the client is still there.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::traffic::Traffic;

/// One of two users of a stream: hyper's.
pub(super) struct Socket {
    stream: Rc<TcpStream>,
    traffic: Rc<Traffic>,
}

impl Socket {
    pub(super) fn new(stream: Rc<TcpStream>, traffic: Rc<Traffic>) -> Socket {
        Socket { stream, traffic }
    }

    fn poll_sent(
        &self,
        context: &mut Context<'_>,
        mut send: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.stream.poll_write_ready(context) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => {
                    self.traffic.held();
                    return Poll::Pending;
                }
            }
            match send(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => {
                    self.traffic.sent();
                    return Poll::Ready(sent);
                }
            }
        }
    }
}

/// Waits until the client has closed its side, or all of the connection. Request bytes that nobody reads are no
/// hindrance: it is a readiness of its own (`EPOLLRDHUP`), which no read takes away.
pub(super) async fn gone(stream: &TcpStream) {
    // Priority is asked for, since every other interest is also met by bytes that wait.
    while let Ok(ready) = stream.ready(Interest::PRIORITY).await {
        if ready.is_read_closed() || ready.is_error() {
            return;
        }
        // Urgent data: nobody has asked for it.
        let _ = stream.try_io(Interest::PRIORITY, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read_buf(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    self.traffic.received();
                    return Poll::Ready(read.map(drop));
                }
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_sent(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_sent(context, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Who writes calls this when it has nothing left.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.traffic.flushed();
        Poll::Ready(Ok(()))
    }

    /// How the connection is closed is decided when all is over.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
