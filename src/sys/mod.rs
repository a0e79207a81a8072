//! What only the operating system can say or do, one call a file.

pub(crate) mod fork;
pub(crate) mod membarrier;
pub(crate) mod processor;
pub(crate) mod thread_name;
