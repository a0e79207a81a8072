//! The encoders. Each calls a library as it would for a file, and does not know that there is a bridge.

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
