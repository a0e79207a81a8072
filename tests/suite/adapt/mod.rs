//! The asynchronous adapters, beyond the laws that `tests/suite/laws.rs` runs through each of them.

mod bounds;
mod drive;
mod oracle;
mod send_body;
mod source;
mod turns;
mod waiting;
mod write;
