//! Reads the header of the PROXY protocol from a connection.

use std::io;

use tokio::time::timeout;

use super::proxy_protocol::{BadHeader, Header};
use super::server::{Host, either};
use super::stream::Stream;

/// Takes the header from the beginning of a connection whose peer has to send one. Returns `false` if the connection is
/// to be closed.
pub(super) async fn take_header<P>(stream: &Stream, host: &Host<P>) -> bool {
    if !host.proxies.requires_header(stream.remote().map(|remote| remote.ip())) {
        return true;
    }
    let mut read = None;
    let reading = async { read = Some(timeout(host.limits.get_timeout_head(), stream.take_proxy_header()).await) };
    either(reading, host.shutdown.unused()).await;
    let why = match read {
        Some(Ok(Ok(Header { ends, .. }))) => {
            stream.set_ends(ends);
            return true;
        }
        // The server stops, or a balancer has checked whether the port is open.
        None | Some(Ok(Err(NoHeader::Closed))) => return false,
        Some(Ok(Err(NoHeader::Bad(bad)))) => bad.to_string(),
        Some(Ok(Err(NoHeader::Failed(error)))) => format!("the PROXY header cannot be read: {error}"),
        Some(Err(_)) => "the PROXY header did not arrive in time".to_owned(),
    };
    host.say(stream, &format!("closed: {why}"));
    false
}

/// Why there is no header.
#[derive(Debug)]
pub(super) enum NoHeader {
    /// The peer closed the connection without a byte.
    Closed,
    Bad(BadHeader),
    Failed(io::Error),
}
