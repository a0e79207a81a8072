//! The promises of the core: each law on every engine, and the further promises of each part.
//!
//! One binary, so that it links once. A test that counts the resources of a process runs in a process of its own
//! (`alone`).

#[macro_use]
mod support;

#[cfg(all(feature = "http", feature = "tokio"))]
mod aborted;
#[cfg(all(feature = "http", feature = "tokio"))]
mod adapt;
#[cfg(feature = "stream")]
mod backpressure;
#[cfg(feature = "stream")]
mod budget;
mod closed;
mod closing;
mod drive;
#[cfg(all(feature = "http", feature = "tokio"))]
mod ended;
#[cfg(all(feature = "http", feature = "tokio"))]
mod executors;
mod forgotten;
mod fresh_threads;
#[cfg(all(feature = "http", feature = "tokio"))]
mod head;
#[cfg(target_os = "linux")]
mod kept_stacks;
mod laws;
mod lent;
mod nesting;
mod oracle;
mod panics;
mod pool;
mod shutdown;
#[cfg(target_os = "linux")]
mod stack_limit;
#[cfg(feature = "stream")]
mod stall;
mod steps;
mod thread_exit;
#[cfg(all(feature = "http", feature = "tokio"))]
mod waiting;
#[cfg(feature = "stream")]
mod wakers;
