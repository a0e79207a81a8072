//! Room for as many open files as the limits allow connections and programs.

use rustix::process::{Resource, getrlimit};

/// The descriptors of a program: its streams, and what stands for the process.
const PER_PROGRAM: usize = 5;

/// Those of the server itself.
const OWN: usize = 100;

/// Says that the system allows too few, if it does: the server raises its limit as far as it may when it has to.
pub fn are_too_few(connections: usize, programs: usize) -> Option<String> {
    let wanted = connections.saturating_add(programs.saturating_mul(PER_PROGRAM)).saturating_add(OWN) as u64;
    // None is: no limit.
    let have = getrlimit(Resource::Nofile).maximum?;
    (have < wanted).then(|| format!("this process may have {have} files open, and the limits would need {wanted}"))
}
