//! FastCGI applications upstream: awkward ones made for it, this crate's own responder, and PHP. Each test is named after
//! the requirement or the sentence it shows.
#![cfg(target_os = "linux")]

mod app;
mod ask;
mod connections;
mod failures;
mod php;
mod responder;
mod streams;
