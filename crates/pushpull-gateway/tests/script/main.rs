//! External programs behind a service, with real programs. Each test is named after the requirement it shows.
#![cfg(target_os = "linux")]

mod bodies;
mod environment;
mod failures;
mod heads;
mod limits;
mod stopping;
mod streams;
mod support;
