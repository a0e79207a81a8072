//! FastCGI applications upstream: misbehaving ones made for the tests, this crate's own responder, and PHP. Each test
//! is named after its requirement or the sentence that it shows.
#![cfg(target_os = "linux")]

mod app;
mod ask;
mod connections;
mod failures;
mod php;
mod responder;
mod streams;
