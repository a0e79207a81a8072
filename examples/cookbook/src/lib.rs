//! What the programs of the cookbook share: a table to send, encoders that write it, parsers that read, and a log.
//!
//! The programs are in `src/bin`.

pub mod encode;
pub mod ending;
pub mod launch;
pub mod memory;
pub mod menu;
pub mod parse;
pub mod refused;
pub mod sun;
