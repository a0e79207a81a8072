//! Adapters: the traits of other crates for the ends of a bridge, one trait per file, and programs fed from such
//! traits.

#[cfg(feature = "stream")]
pub(crate) mod async_writer;
#[cfg(feature = "http")]
pub(crate) mod body;
#[cfg(feature = "stream")]
pub(crate) mod chunk_stream;
#[cfg(feature = "stream")]
pub(crate) mod drive;
#[cfg(any(feature = "http", feature = "stream"))]
mod feed;
#[cfg(any(feature = "http", feature = "stream"))]
mod filter;
#[cfg(feature = "stream")]
mod futures_io;
#[cfg(any(feature = "http", feature = "stream"))]
pub(crate) mod pump;
#[cfg(feature = "axum")]
mod response;
#[cfg(feature = "http")]
pub(crate) mod send_body;
#[cfg(any(feature = "http", feature = "stream"))]
pub(crate) mod source;
#[cfg(feature = "stream")]
mod stream;
#[cfg(feature = "tokio")]
mod tokio_io;
#[cfg(any(feature = "http", feature = "stream"))]
mod turn;
