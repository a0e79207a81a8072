//! How bridges are measured: what runs on them, what is seen of it, and what it is called. The benchmarks in `benches/`
//! measure with the same files.

pub mod busy;
pub mod by_hand;
pub mod checksum;
pub mod contender;
pub mod effort;
pub mod engines;
pub mod fan;
pub mod figure;
pub mod life;
pub mod measure;
pub mod neighbours;
pub mod pace;
pub mod quantity;
pub mod speeds;
pub mod statistics;
pub mod traffic;
pub mod usage;
pub mod workload;
