//! Helpers of the law tests.
#![allow(dead_code, reason = "each test binary uses its own part")]

#[macro_use]
pub mod engine;
#[cfg(all(feature = "http", feature = "tokio"))]
pub mod polled;
