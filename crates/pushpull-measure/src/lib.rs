//! How bridges are measured: what runs on them, what is seen of it, and what it is called. `pushpull bench` and the
//! benchmarks measure with the same files; the peers that are libraries of others are behind the feature `peers`.

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
