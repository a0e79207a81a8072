//! What a client still sends that has been refused.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body, Buf};

/// A client that sends more does not want to know.
const MAX_SIZE: usize = 16 * 1024 * 1024;

/// For so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes it and throws it away, on a task of its own. A connection that is closed while bytes arrive is reset, and the
/// reset may overtake the answer that says why.
pub fn drain(mut body: impl Body + Unpin + Send + 'static) {
    let draining = async move {
        let mut taken = 0;
        while taken < MAX_SIZE
            && let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
        {
            taken += frame.data_ref().map_or(0, Buf::remaining);
        }
    };
    tokio::spawn(tokio::time::timeout(PATIENCE, draining));
}
