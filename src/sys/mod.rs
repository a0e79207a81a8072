//! Calls of the operating system and the processor, one concern a file.
//!
//! 1. `fork`: state per process, for children that continue without `exec`.
//! 2. `membarrier`: the fences between a writer that publishes and a reader that sleeps.
//! 3. `prefetch`: memory on its way into the caches.
//! 4. `processor`: the processor that a thread runs on.
//! 5. `thread_name`: the name of a running thread.

pub(crate) mod fork;
pub(crate) mod membarrier;
pub(crate) mod prefetch;
pub(crate) mod processor;
pub(crate) mod thread_name;
