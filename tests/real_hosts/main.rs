//! The application behind the servers that the world has, by each protocol that they speak.

mod apache;
mod cases;
mod client;
mod front;
mod lighttpd;
#[path = "../support/needed.rs"]
mod needed;
mod nginx;
mod pattern;
mod responder;
mod server;
mod watch;
