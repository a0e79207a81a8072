//! A time limit for tests.

use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Far longer than any test takes, also under a sanitizer.
const PATIENCE: Duration = Duration::from_secs(600);

/// Runs a test on a thread of its own, and panics if it hangs.
pub fn within(test: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    thread::spawn(move || done.send(panic::catch_unwind(AssertUnwindSafe(test))));
    match wait.recv_timeout(PATIENCE) {
        Ok(Ok(())) => {}
        Ok(Err(payload)) => panic::resume_unwind(payload),
        Err(_) => panic!("the test hangs"),
    }
}
