//! Programs that a test needs.

use std::env;
use std::path::PathBuf;

/// Finds a program on the path or in the administrators' directories.
pub fn place(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    directories.map(|directory| directory.join(program)).find(|place| place.is_file())
}

/// Returns `true` if all programs are installed. If not, prints which are missing, or panics if `CI` is `true`.
pub fn there(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|program| place(program).is_none()).collect();
    if missing.is_empty() {
        return true;
    }
    cannot(&format!("not installed: {missing:?}"))
}

/// Reports that a test cannot run here, and returns `false`. Panics if `CI` is `true`.
pub fn cannot(reason: &str) -> bool {
    assert_ne!(env::var_os("CI").as_deref(), Some("true".as_ref()), "{reason}");
    eprintln!("skipped: {reason}");
    false
}
