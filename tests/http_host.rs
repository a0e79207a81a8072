//! The HTTP host on the wire. Each test names the requirement that it is for.

#[path = "http_host/body.rs"]
mod body;
#[path = "http_host/cut.rs"]
mod cut;
#[path = "http_host/gone.rs"]
mod gone;
#[path = "http_host/host.rs"]
mod host;
#[path = "http_host/http2.rs"]
mod http2;
#[path = "http_host/limits.rs"]
mod limits;
#[path = "http_host/request.rs"]
mod request;
#[path = "http_host/share.rs"]
mod share;
#[path = "http_host/shutdown.rs"]
mod shutdown;
#[path = "http_host/wire.rs"]
mod wire;
