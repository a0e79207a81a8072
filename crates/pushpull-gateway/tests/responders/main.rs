//! The hosts behind a front server, on the wire. Each test names the requirement that it is for.

mod fastcgi;
mod front;
mod scgi;
