//! What the tests of the cookbook share; some of it with those of the crate itself.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub use pushpull_testing::example;
pub use pushpull_testing::log;
pub mod server;
pub mod tools;
