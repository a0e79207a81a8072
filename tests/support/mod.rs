//! What the law tests share.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod counted;
pub mod engine;
pub mod example;
pub mod guard;
pub mod log;
pub mod polled;
pub mod watchdog;
