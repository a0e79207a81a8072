//! The chunks in other crates' terms, one trait a file.

#[cfg(feature = "http")]
pub(crate) mod body;
#[cfg(feature = "stream")]
mod stream;
#[cfg(any(feature = "http", feature = "stream"))]
mod turn;
