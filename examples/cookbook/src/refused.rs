//! Drains the rest of a request that was refused.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body, Buf};

/// The maximum that is drained from a client.
const MAX_SIZE: usize = 16 * 1024 * 1024;

/// The maximum time of draining.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the body and discards it, in a separate task. If a connection is closed while bytes still arrive, it is reset,
/// and the client may lose the response that says why.
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
