//! How a connection is closed, so that the client gets all that was sent, or can see that it did not.

use std::future::{Future, poll_fn};
use std::io;
use std::net::Shutdown;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How much of what a client still sends is read and thrown away, and for how long.
const MOST_UNREAD: u64 = 16 << 20;
pub(super) const UNREAD_TIME: Duration = Duration::from_secs(5);

/// The answer to a request whose head did not come in time.
pub(super) const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// The answer to a connection that is one too many.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Closes in peace: says that no more will come, then takes what the client still sends until it closes too. A connection
/// closed with bytes unread would be reset, and the answer with it.
pub(super) async fn linger(stream: &TcpStream) {
    if SockRef::from(stream).shutdown(Shutdown::Write).is_err() {
        return;
    }
    let _ = timeout(UNREAD_TIME, discard(stream)).await;
}

/// Closes a connection that is one too many, without waiting for its client.
pub(super) fn refuse(stream: &TcpStream) {
    // A request that is here already is taken, so that it does not turn the close into a reset.
    let _ = stream.try_write(TOO_MANY);
    let _ = SockRef::from(stream).shutdown(Shutdown::Write);
    let _ = stream.try_read(&mut [0; 4096]);
}

async fn discard(stream: &TcpStream) -> io::Result<()> {
    let mut into = Vec::new();
    let mut left = MOST_UNREAD;
    while left > 0 {
        stream.readable().await?;
        into.resize(16 * 1024, 0);
        match stream.try_read(&mut into) {
            Ok(0) => break,
            Ok(len) => left = left.saturating_sub(len as u64),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Closes with a reset once everything that was written is on its way. Of a response that lasts up to the close nothing
/// else shows that it is not whole.
pub(super) async fn reset(stream: TcpStream, within: Duration) {
    let sent = async {
        // A writable socket is one with room, unless told to be one that has nothing unsent. A new registration asks anew.
        let stream = stream.into_std()?;
        SockRef::from(&stream).set_tcp_notsent_lowat(1)?;
        let stream = TcpStream::from_std(stream)?;
        let _ = timeout(within, stream.writable()).await;
        stream.set_zero_linger()
    };
    // A socket that takes no options has gone already.
    let _ = sent.await;
}

/// Takes the rest of a request's body, within the same bounds as [`linger`], while it is answered.
pub(super) async fn drain(mut body: Incoming) {
    let drained = async {
        let mut left = MOST_UNREAD;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len) as u64);
            if left == 0 {
                break;
            }
        }
    };
    let _ = timeout(UNREAD_TIME, drained).await;
}

/// Waits for one of two.
pub(super) async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Pending => other.as_mut().poll(context),
        ready => ready,
    })
    .await;
}
