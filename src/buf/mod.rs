//! Bytes on their way, without waiting: writes cut into chunks, chunks read as bytes, and the memory of both.

pub(crate) mod chunk_reader;
pub(crate) mod chunker;
pub(crate) mod shared_sink;
pub(crate) mod thread_cache;
pub(crate) mod write_batch;
