//! What hyper reads and writes: the socket, or TLS on it.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Host;
use super::lent::Lent;
use super::socket::Socket;
use super::traffic::Traffic;
use crate::host::stream::Stream;

/// The bytes of HTTP. Follows the requests in them.
pub(super) struct Transport {
    bytes: Bytes,
    traffic: Rc<Traffic>,
}

enum Bytes {
    Plain(Socket),
    #[cfg(feature = "tls")]
    Encrypted(Box<tokio_rustls::server::TlsStream<Socket>>),
}

macro_rules! on_bytes {
    ($transport:expr, $io:ident => $call:expr) => {
        match &mut $transport.get_mut().bytes {
            Bytes::Plain(io) => {
                let $io = Pin::new(io);
                $call
            }
            #[cfg(feature = "tls")]
            Bytes::Encrypted(io) => {
                let $io = Pin::new(&mut **io);
                $call
            }
        }
    };
}

impl Transport {
    /// Opens a connection, with a handshake if the server has a certificate. Returns `None` if the connection is to be
    /// closed.
    pub(super) async fn open(
        stream: &Rc<Stream>,
        traffic: &Rc<Traffic>,
        lent: &Rc<Lent>,
        host: &Host,
    ) -> Option<Transport> {
        let socket = Socket::new(stream.clone(), traffic.clone(), lent.clone());
        #[cfg(feature = "tls")]
        if let Some(tls) = &host.protocol.tls {
            let encrypted = handshake::shake(tls, socket, stream, host).await?;
            return Some(Transport { bytes: Bytes::Encrypted(Box::new(encrypted)), traffic: traffic.clone() });
        }
        let _ = host;
        Some(Transport { bytes: Bytes::Plain(socket), traffic: traffic.clone() })
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = ready!(on_bytes!(self.as_mut(), io => io.poll_read(context, into)));
        self.traffic.received(&mut into.filled_mut()[before..]);
        Poll::Ready(read)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_bytes!(self, io => io.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_bytes!(self, io => io.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_bytes!(self, io => io.poll_flush(context))
    }

    /// Ends TLS. Hyper does not call this after the error of a body, so a client does not take the end of a response that
    /// was cut for its own end.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_bytes!(self, io => io.poll_shutdown(context))
    }
}

#[cfg(feature = "tls")]
mod handshake {
    use std::io;

    use rustls::{Error, InvalidMessage};
    use tokio::time::timeout;
    use tokio_rustls::server::TlsStream;

    use super::super::connection::Host;
    use super::super::socket::Socket;
    use super::super::tls::Tls;
    use crate::host::server::either;
    use crate::host::shutdown::Stage;
    use crate::host::stream::Stream;

    /// Shakes hands with the client, within the time of the first head. Returns `None`, and logs why, if that fails.
    pub(super) async fn shake(tls: &Tls, socket: Socket, stream: &Stream, host: &Host) -> Option<TlsStream<Socket>> {
        let mut shaken = None;
        let shaking = async {
            shaken = Some(timeout(host.limits.get_timeout_head(), tls.acceptor().accept(socket)).await);
        };
        either(shaking, host.shutdown.reached(Stage::Closing)).await;
        let why = match shaken? {
            Ok(Ok(encrypted)) => return Some(encrypted),
            // The client left, or a balancer has checked whether the port is open.
            Ok(Err(error)) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                return None;
            }
            Ok(Err(error)) => described(&error),
            Err(_) => "the TLS handshake did not end in time".to_owned(),
        };
        host.say(stream, &format!("closed: {why}"));
        None
    }

    fn described(error: &io::Error) -> String {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        match cause {
            Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                "the client speaks no TLS, but perhaps plain HTTP: expected https://".to_owned()
            }
            Some(cause) => format!("the TLS handshake failed: {cause}"),
            None => format!("the TLS handshake failed: {error}"),
        }
    }
}
