//! Whether a program is in its worker's queue. However often a program is woken, it is queued once.

use crate::sync::{AtomicBool, Ordering};

#[derive(Debug)]
pub(super) struct Ready(AtomicBool);

impl Ready {
    pub(super) fn new(queued: bool) -> Ready {
        Ready(AtomicBool::new(queued))
    }

    /// Marks the program as woken. Returns `true` if the caller must queue it.
    pub(super) fn wake(&self) -> bool {
        // ORDERING: release, so that the worker sees what the waker did before. It is a swap even when it changes
        // nothing: only a read-modify-write is ordered with the worker's swap.
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// Marks the program as running, after the worker has taken it out of the queue. A later wake queues it again.
    pub(super) fn run(&self) {
        // ORDERING: acquire pairs with the release in `wake`: this run sees what was done before a wake that queued
        // nothing.
        self.0.swap(false, Ordering::AcqRel);
    }
}

/// `RUSTFLAGS="--cfg pushpull_loom" cargo test --release --lib model`
#[cfg(all(test, pushpull_loom))]
mod model {
    use super::*;
    use crate::sync::{Arc, AtomicUsize, Mutex};

    /// A program that waits for two things, the worker that runs it, and two threads that each supply one.
    #[test]
    fn law_11_no_wake_up_is_lost() {
        loom::model(|| {
            let ready = Arc::new(Ready::new(true));
            let queue = Arc::new(Mutex::new(vec![()]));
            let brought = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
            let bringers = brought.clone().map(|brought| {
                let (ready, queue) = (ready.clone(), queue.clone());
                loom::thread::spawn(move || {
                    // Relaxed, so that the order must come from `Ready`.
                    brought.store(1, Ordering::Relaxed);
                    if ready.wake() {
                        queue.lock().push(());
                    }
                })
            });
            let mut seen = 0;
            let mut run = || {
                while queue.lock().pop().is_some() {
                    ready.run();
                    seen = brought.iter().map(|brought| brought.load(Ordering::Relaxed)).sum();
                }
            };
            run();
            bringers.into_iter().for_each(|bringer| bringer.join().unwrap());
            run();
            assert_eq!(seen, 2, "the program waits for something that is already there");
        });
    }
}
