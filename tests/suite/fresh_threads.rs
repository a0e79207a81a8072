//! With `fresh_threads()`, a program finds nothing that an earlier program has left on its thread.

use std::cell::RefCell;
use std::sync::mpsc::{Sender, channel};

use pushpull::Thread;
use pushpull_testing::watchdog::within;

thread_local! {
    static LEFT: RefCell<Vec<Left>> = const { RefCell::new(Vec::new()) };
}

/// Dropped with its thread.
struct Left(Sender<usize>, usize);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.send(self.1).unwrap();
    }
}

/// The niceness of this thread, on the system where each thread has its own.
#[cfg(target_os = "linux")]
mod niceness {
    pub(super) fn get() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    pub(super) fn raise() {
        rustix::process::nice(1).unwrap();
    }
}

#[cfg(not(target_os = "linux"))]
mod niceness {
    pub(super) fn get() -> i32 {
        0
    }

    pub(super) fn raise() {}
}

#[test]
fn a_fresh_thread_has_nothing_of_the_programs_before_it_and_ends_with_its_own() {
    within(|| {
        let engine = Thread::new().name("fresh").fresh_threads();
        let ours = niceness::get();
        let (tell, told) = channel();
        for number in 0..50 {
            let tell = tell.clone();
            let mut feed = engine.push(move |_| {
                let before = (LEFT.with_borrow(Vec::len), niceness::get());
                LEFT.with_borrow_mut(|left| left.push(Left(tell, number)));
                niceness::raise();
                Ok(before)
            });
            // This write starts the program, which may have ended before the write returns.
            let _ = std::io::Write::write_all(&mut feed, b"begin");
            assert_eq!(feed.finish().unwrap(), (0, ours));
        }
        // Each thread ends at once, and does not wait for another program.
        drop(tell);
        let mut ended: Vec<_> = told.iter().collect();
        ended.sort_unstable();
        assert!(ended.into_iter().eq(0..50));
    });
}
