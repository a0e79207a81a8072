//! The application behind common web servers, over each protocol that they speak.

mod apache;
mod behind;
mod cases;
mod cgi_fcgi;
mod client;
mod front;
mod lighttpd;
mod nginx;
mod pattern;
#[allow(dead_code, reason = "the tests with several of them use more of it")]
mod responder;
mod scale_out;
mod server;
#[allow(dead_code, reason = "the tests with several responders use more of it")]
mod watch;
