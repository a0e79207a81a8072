//! The HTTP host on the wire. Each test names the requirement that it is for.

mod body;
mod cut;
mod gone;
mod host;

mod limits;
mod request;
mod share;
mod shutdown;
