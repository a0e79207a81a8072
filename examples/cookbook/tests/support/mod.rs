//! What the tests of the cookbook share; some of it with those of the crate itself.
#![allow(dead_code, reason = "each test binary uses its own part")]

#[path = "../../../../tests/support/example.rs"]
pub mod example;
#[path = "../../../../tests/support/log.rs"]
pub mod log;
#[path = "../../../../tests/support/needed.rs"]
pub mod needed;
pub mod server;
pub mod tools;
