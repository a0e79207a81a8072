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
    let status = again().args(["--exact", name, "--nocapture"]).env(ALONE, "1").status().unwrap();
    assert!(status.success(), "{name}, in a process of its own: {status}");
}

/// An environment variable with the emulator, and its arguments, that runs the tests. A process under it cannot start
/// another without naming it.
const EMULATOR: &str = "PUSHPULL_TEST_EMULATOR";

/// Returns the command that runs this test binary again.
pub fn again() -> Command {
    let own = env::current_exe().unwrap();
    let emulator = env::var(EMULATOR).unwrap_or_default();
    let mut words = emulator.split_whitespace();
    let Some(program) = words.next() else { return Command::new(own) };
    let mut command = Command::new(program);
    command.args(words).arg(own);
    command
}
