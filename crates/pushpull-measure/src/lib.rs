//! Measures bridges: contenders, workloads and statistics. `pushpull bench` and the benchmarks share this code. Peers
//! from other libraries need the feature `peers`.

pub mod busy;
pub mod by_hand;
pub mod checksum;
pub mod contender;
#[cfg(feature = "peers")]
pub mod cores;
pub mod effort;
pub mod engines;
pub mod fan;
pub mod figure;
pub mod life;
pub mod measure;
pub mod neighbours;
pub mod pace;
#[cfg(feature = "peers")]
pub mod peers;
#[cfg(feature = "peers")]
pub mod placed;
pub mod quantity;
pub mod speeds;
pub mod statistics;
pub mod traffic;
pub mod usage;
pub mod workload;
