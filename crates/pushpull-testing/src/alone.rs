//! Tests that count the resources of a whole process: threads, descriptors, memory.

use std::env;
use std::process::Command;

/// An environment variable that is set in the process of a single test.
const ALONE: &str = "PUSHPULL_TEST_ALONE";

/// Runs `test` in a process of its own: the test binary again, with only this test. `name` is the test's full path, as
/// the test binary lists it.
pub fn alone(name: &str, test: impl FnOnce()) {
    if env::var_os(ALONE).is_some() {
        return test();
    }
    let own = env::current_exe().unwrap();
    let status = Command::new(own).args(["--exact", name, "--nocapture"]).env(ALONE, "1").status().unwrap();
    assert!(status.success(), "{name}, in a process of its own: {status}");
}
