//! Programs that a test cannot do without.

use std::env;
use std::path::PathBuf;

/// Where a program is: on the path, or where those of administrators are.
pub fn place(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    directories.map(|directory| directory.join(program)).find(|place| place.is_file())
}

/// Whether all of them are there. If not, the reason is printed; where CI is `true` that is a failure.
pub fn there(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|program| place(program).is_none()).collect();
    if missing.is_empty() {
        return true;
    }
    cannot(&format!("not installed: {missing:?}"))
}

/// Skips a test that cannot be run here; where CI is `true` that is a failure.
pub fn cannot(reason: &str) -> bool {
    assert_ne!(env::var_os("CI").as_deref(), Some("true".as_ref()), "{reason}");
    eprintln!("skipped: {reason}");
    false
}
