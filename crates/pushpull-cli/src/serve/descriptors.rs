//! Checks that the limits of open files allow the configured connections and programs.

use rustix::process::{Resource, getrlimit};

/// The descriptors of one program: its streams and its process.
const PER_PROGRAM: usize = 5;

/// The descriptors of the server itself.
const OWN: usize = 100;

/// Returns a warning if the hard limit is too low. The server raises its soft limit itself when it needs to.
pub fn are_too_few(connections: usize, programs: usize) -> Option<String> {
    let wanted = connections.saturating_add(programs.saturating_mul(PER_PROGRAM)).saturating_add(OWN) as u64;
    // `None` means no limit.
    let have = getrlimit(Resource::Nofile).maximum?;
    (have < wanted).then(|| {
        format!("limit of open files is {have}: expected {wanted} for the configured connections and programs")
    })
}
