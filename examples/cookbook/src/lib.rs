//! What the programs of the cookbook share: something to send, the encoders that write it, the parsers that read, and a log.
//!
//! The programs themselves, in `src/bin`, are what there is to read.

pub mod encode;
pub mod ending;
pub mod launch;
pub mod memory;
pub mod menu;
pub mod parse;
pub mod refused;
pub mod sun;
