//! Whether a program has a place in its worker's queue. It has one at the most, however often it is woken.

use crate::sync::{AtomicBool, Ordering};

#[derive(Debug)]
pub(super) struct Ready(AtomicBool);

impl Ready {
    pub(super) fn new(queued: bool) -> Ready {
        Ready(AtomicBool::new(queued))
    }

    /// It is woken. Says whether it has to be queued for that.
    pub(super) fn wake(&self) -> bool {
        // ORDERING: release, so that the worker sees what the waker did before; it has to be a swap also when it changes
        // nothing, for only that is in the worker's way.
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// The worker has taken it out of the queue, and is about to run it. Who wakes it from here on queues it again.
    pub(super) fn run(&self) {
        // ORDERING: acquire, the other half: what was done before a wake that queued nothing is seen by this run.
        self.0.swap(false, Ordering::AcqRel);
    }
}

/// `RUSTFLAGS="--cfg pushpull_loom" cargo test --release --lib model`
#[cfg(all(test, pushpull_loom))]
mod model {
    use super::*;
    use crate::sync::{Arc, AtomicUsize, Mutex};

    /// A program that waits for two things, a worker that runs it, and two who bring them.
    #[test]
    fn law_11_no_wake_up_is_lost() {
        loom::model(|| {
            let ready = Arc::new(Ready::new(true));
            let queue = Arc::new(Mutex::new(vec![()]));
            let brought = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
            let bringers = brought.clone().map(|brought| {
                let (ready, queue) = (ready.clone(), queue.clone());
                loom::thread::spawn(move || {
                    // The weakest there is: the order has to come from `Ready`.
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
            assert_eq!(seen, 2, "the program waits for what is there");
        });
    }
}
