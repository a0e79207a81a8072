//! The HTTP host on the wire. Each test names its requirement.

mod body;
mod cut;
mod gone;
mod host;

mod limits;
mod request;
mod router;
mod share;
mod shutdown;
mod tls;
