//! How a connection is closed, so that the client gets all that was sent, or can see that it did not.

use std::future::poll_fn;
use std::net::Shutdown;
use std::pin::Pin;

use hyper::body::Incoming;
use socket2::SockRef;
use tokio::time::timeout;

use crate::app::data::poll_data;
use crate::host::stream::{MAX_UNREAD, Stream, UNREAD_TIME};

/// The answer to a request whose head did not come in time.
pub(super) const LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// The answer to a connection that is one too many.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Closes a connection that is one too many, without waiting for its client.
pub(super) fn refuse(stream: &Stream) {
    // A request that is here already is taken, so that it does not turn the close into a reset.
    let _ = stream.try_write(TOO_MANY);
    let _ = SockRef::from(stream).shutdown(Shutdown::Write);
    let _ = stream.try_read(&mut [0; 4096]);
}

/// Takes the rest of a request's body, within the same bounds as [`Stream::linger`], while it is answered.
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
