//! The socket below hyper, or below TLS. Another user of the same stream watches for the client's disconnect.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::lent::{self, Lent};
use super::traffic::Traffic;
use crate::host::stream::Stream;

/// A stream that records writes in [`Traffic`].
pub(super) struct Socket {
    stream: Rc<Stream>,
    traffic: Rc<Traffic>,
    lent: Rc<Lent>,
}

impl Socket {
    pub(super) fn new(stream: Rc<Stream>, traffic: Rc<Traffic>, lent: Rc<Lent>) -> Socket {
        Socket { stream, traffic, lent }
    }

    fn poll_sent(&self, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let sent = match slices.iter().position(lent::is_blank) {
            None => self.stream.poll_write(context, slices),
            Some(0) => self.stream.poll_write_by(context, |stream| self.lent.send(stream, slices[0].len())),
            Some(bytes) => self.stream.poll_write(context, &slices[..bytes]),
        };
        match sent {
            Poll::Ready(_) => self.traffic.sent(),
            Poll::Pending => self.traffic.held(),
        }
        sent
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let max = into.remaining();
        self.stream.poll_read(context, into, max).map_ok(drop)
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

    /// Is called when nothing is left to write.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.traffic.flushed();
        Poll::Ready(self.lent.check())
    }

    /// Does nothing: `close` decides how the connection ends.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
