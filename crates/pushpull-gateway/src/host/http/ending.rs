//! How a connection is closed: the client receives everything that was sent, or can see that it did not.

use std::future::poll_fn;
use std::io::IoSlice;
use std::net::Shutdown;
use std::pin::Pin;

use hyper::body::Incoming;
use socket2::SockRef;
use tokio::time::timeout;

use crate::app::data::poll_data;
use crate::host::stream::{MAX_UNREAD, Stream, UNREAD_TIME};
use crate::sys::sockets;

/// The response to a request whose head did not arrive in time.
pub(super) const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// The response to a connection beyond the limit.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Refuses a connection beyond the limit and closes it, without waiting for its client.
pub(super) fn refuse(stream: &Stream) {
    // Read a request that has arrived already, because unread bytes turn the close into a reset.
    let _ = sockets::send(stream, &[IoSlice::new(TOO_MANY)]);
    let _ = SockRef::from(stream).shutdown(Shutdown::Write);
    let _ = sockets::take(stream, &mut [0; 4096]);
}

/// Discards the rest of a request's body while the request is answered, within the limits of [`Stream::linger`].
pub(super) async fn drain(mut body: Incoming) {
    let drained = async {
        let mut left = MAX_UNREAD;
        while let Some(Ok(data)) = poll_fn(|context| poll_data(Pin::new(&mut body), context)).await {
            left = left.saturating_sub(data.len() as u64);
            if left == 0 {
                break;
            }
        }
    };
    let _ = timeout(UNREAD_TIME, drained).await;
}
