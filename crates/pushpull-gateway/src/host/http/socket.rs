//! The stream of a connection: hyper reads and writes it, while another looks whether the client is still there.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::traffic::Traffic;
use crate::host::stream::Stream;

/// One of two users of a stream: hyper's.
pub(super) struct Socket {
    stream: Rc<Stream>,
    traffic: Rc<Traffic>,
}

impl Socket {
    pub(super) fn new(stream: Rc<Stream>, traffic: Rc<Traffic>) -> Socket {
        Socket { stream, traffic }
    }

    fn poll_sent(&self, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let sent = self.stream.poll_write(context, slices);
        match sent {
            Poll::Ready(_) => self.traffic.sent(),
            Poll::Pending => self.traffic.held(),
        }
        sent
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (most, before) = (into.remaining(), into.filled().len());
        let read = ready!(self.stream.poll_read(context, into, most));
        self.traffic.heads.borrow_mut().follow(&mut into.filled_mut()[before..]);
        Poll::Ready(read.map(drop))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_sent(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_sent(context, slices)
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
