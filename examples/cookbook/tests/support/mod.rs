//! Helpers shared by the tests of the cookbook, some of them with the tests of the crate.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub use pushpull_testing::example;
pub use pushpull_testing::log;
pub mod server;
pub mod tools;
