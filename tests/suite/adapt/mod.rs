//! The adapters to the asynchronous world, beyond the laws that `tests/laws.rs` runs through each of them.

mod bounds;
mod drive;
mod oracle;
mod source;
mod turns;
mod waiting;
mod write;
