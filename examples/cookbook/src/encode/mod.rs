//! The encoders: libraries that write, each called as it would be for a file.
//!
//! Nothing here knows who wants the bytes, nor that there is a bridge.

mod archive;
mod page;
mod parquet;
mod picture;
mod table;

pub use archive::{tar_gz, zip};
pub use page::html;
pub use parquet::parquet;
pub use picture::png;
pub use table::{csv, json};
