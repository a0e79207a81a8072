//! One run of a contender, and what it measures.

pub mod busy;
pub mod checksum;
pub mod fan;
pub mod life;
pub mod neighbours;
pub(crate) mod placed;
pub mod speeds;
pub(crate) mod traffic;
pub(crate) mod usage;
pub mod workload;
