//! Room for as many open files as the limits allow connections and programs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The descriptors of a program: its streams, and what stands for the process.
const PER_PROGRAM: usize = 5;

/// Those of the server itself.
const OWN: usize = 100;

/// Raises this process's limit of open files, within what the system lets it, and says if that is too few.
pub fn make_room(connections: usize, programs: usize) -> Option<String> {
    let wanted = connections.saturating_add(programs.saturating_mul(PER_PROGRAM)).saturating_add(OWN) as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None is: no limit.
    let current = current?;
    if current >= wanted {
        return None;
    }
    let most = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum });
    let have = if raised.is_ok() { most } else { current };
    (have < wanted).then(|| format!("this process may have {have} files open, and the limits would need {wanted}"))
}
