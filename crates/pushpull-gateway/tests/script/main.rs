//! External programs behind a service. Each test names its requirement.
#![cfg(target_os = "linux")]

mod bodies;
mod environment;
mod failures;
mod heads;
mod limits;
mod queue;
mod stopping;
mod streams;
mod support;
