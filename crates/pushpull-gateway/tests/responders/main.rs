//! The hosts behind a front server, on the wire. Each test names its requirement.

mod fastcgi;
mod front;
mod scgi;
