//! Bytes on their way, in code that does not wait.
//!
//! The files, from a program's writes to the sink:
//!
//! 1. `chunker`: cuts writes into chunks; `thread_cache` recycles the memory of chunks.
//! 2. `chunk_reader`: reads chunks as bytes.
//! 3. `write_batch`: gathers chunks for one vectored write.
//! 4. `shared_sink`: the sink of a filter, which gets small writes in chunks.

pub(crate) mod chunk_reader;
pub(crate) mod chunker;
pub(crate) mod shared_sink;
pub(crate) mod thread_cache;
pub(crate) mod write_batch;
