//! Programs that a test cannot do without.

use std::env;
use std::path::Path;

/// Whether all of them are there. If not, the reason is printed; where CI is `true` that is a failure.
pub fn there(programs: &[&str]) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let is_there =
        |program: &&str| env::split_paths(&path).any(|directory| directory.join(Path::new(program)).is_file());
    let missing: Vec<_> = programs.iter().filter(|program| !is_there(program)).collect();
    if missing.is_empty() {
        return true;
    }
    let reason = format!("not installed: {missing:?}");
    assert_ne!(env::var_os("CI").as_deref(), Some("true".as_ref()), "{reason}");
    eprintln!("skipped: {reason}");
    false
}
