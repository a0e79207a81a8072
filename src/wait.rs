//! Waiting, in one place. Everything that waits in this crate is a `poll` function; this drives one to its end.
//!
//! Whoever waits does so as a `Waker`: a parked thread here, an asynchronous task, or a coroutine. Which of them it is
//! is looked up at each wait: the innermost coroutine on this thread that was entered by a poll is suspended, with
//! everything nested in it; where there is none the thread parks.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use crate::alarm::Alarm;
use crate::coroutine;
use crate::program::Program;

/// The wait was refused: the program that asked for it is to stop, or is unwinding.
#[derive(Debug)]
pub(crate) struct Refused;

/// Waits until `poll` is ready. What is ready at once is never refused.
pub(crate) fn until<T>(poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Result<T, Refused> {
    match until_deadline(None, poll)? {
        Some(value) => Ok(value),
        None => unreachable!("no deadline was given"),
    }
}

/// Waits until `poll` is ready, or the deadline has passed.
pub(crate) fn until_deadline<T>(
    deadline: Option<Instant>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Result<Option<T>, Refused> {
    // Nearly everything is there at once, and for a thread to ask costs less than to say who asks.
    if !coroutine::is_polled()
        && let Poll::Ready(value) = poll(&mut Context::from_waker(Waker::noop()))
    {
        return Ok(Some(value));
    }
    loop {
        let (polled, parker) = coroutine::with_waker(|waker| match waker {
            Some(waker) => (watched(waker, &mut poll), None),
            None => {
                let (parker, waker) = parker::current();
                (watched(&waker, &mut poll), Some(parker))
            }
        });
        if let Poll::Ready(value) = polled? {
            return Ok(Some(value));
        }
        let passed = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        match parker {
            None if passed => return Ok(None),
            None => {
                // Where nobody rings it, the wait is for the event alone.
                let _alarm = deadline.and_then(|deadline| coroutine::with_waker(|waker| Alarm::set(deadline, waker?)));
                coroutine::suspend_polled()?;
            }
            Some(_) if coroutine::refuses_to_wait() => return Err(Refused),
            Some(_) if passed => return Ok(None),
            Some(parker) => parker.park(deadline),
        }
    }
}

/// Polls, and when that is not ready, sees to it that the host of the program that runs here can wake it too.
fn watched<T>(waker: &Waker, poll: &mut impl FnMut(&mut Context<'_>) -> Poll<T>) -> Result<Poll<T>, Refused> {
    let polled = poll(&mut Context::from_waker(waker));
    if polled.is_pending()
        && let Some(channel) = Program::current()
    {
        channel.program.watch(waker);
        if channel.program.refuses_to_wait() {
            return Err(Refused);
        }
    }
    Ok(polled)
}

/// Law 13: so many bytes were moved without a wait. A program that was entered by a poll has had its turn some time, and
/// goes behind the others.
pub(crate) fn count(bytes: usize) {
    if bytes > 0 && coroutine::turn_is_over(bytes) {
        coroutine::with_waker(|waker| waker.into_iter().for_each(Waker::wake_by_ref));
        // Refused in a program that is to end: that needs its turn.
        let _ = coroutine::suspend_polled();
    }
}

#[cfg(not(pushpull_loom))]
mod parker {
    use super::*;

    use std::hint;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::{self, Thread};

    const LOOKS: u32 = 200;
    const LOOKS_BETWEEN: u32 = 50;

    /// A thread that can be woken.
    pub(super) struct Parker {
        thread: Thread,
        woken: AtomicBool,
    }

    thread_local! {
        static CURRENT: Arc<Parker> = Arc::new(Parker::new());
    }

    /// This thread's parker; a fresh one while the thread's own are being destroyed.
    pub(super) fn current() -> (Arc<Parker>, Waker) {
        let parker = CURRENT.try_with(Arc::clone).unwrap_or_else(|_| Arc::new(Parker::new()));
        (parker.clone(), parker.into())
    }

    impl Parker {
        fn new() -> Parker {
            Parker { thread: thread::current(), woken: AtomicBool::new(false) }
        }

        /// Sleeps until woken or until the deadline; now and then for no reason.
        pub(super) fn park(&self, deadline: Option<Instant>) {
            for look in 0..LOOKS {
                // ORDERING: acquire, the other half of the release in `wake`: what the waker did before is seen.
                if self.woken.load(Ordering::Relaxed) && self.woken.swap(false, Ordering::Acquire) {
                    return;
                }
                if look % LOOKS_BETWEEN == 0 {
                    thread::yield_now();
                } else {
                    hint::spin_loop();
                }
            }
            if self.woken.swap(false, Ordering::Acquire) {
                return;
            }
            match deadline {
                None => thread::park(),
                Some(deadline) => thread::park_timeout(deadline.saturating_duration_since(Instant::now())),
            }
        }
    }

    impl Wake for Parker {
        fn wake(self: Arc<Self>) {
            self.wake_by_ref();
        }

        fn wake_by_ref(self: &Arc<Self>) {
            self.woken.store(true, Ordering::Release);
            self.thread.unpark();
        }
    }
}

/// The same on `loom`'s threads.
#[cfg(pushpull_loom)]
mod parker {
    use super::*;

    use loom::sync::{Condvar, Mutex};

    pub(super) struct Parker {
        woken: Mutex<bool>,
        wakes: Condvar,
    }

    pub(super) fn current() -> (Arc<Parker>, Waker) {
        let parker = Arc::new(Parker { woken: Mutex::new(false), wakes: Condvar::new() });
        (parker.clone(), parker.into())
    }

    impl Parker {
        pub(super) fn park(&self, _: Option<Instant>) {
            let mut woken = self.woken.lock().unwrap();
            while !*woken {
                woken = self.wakes.wait(woken).unwrap();
            }
        }
    }

    impl Wake for Parker {
        fn wake(self: Arc<Self>) {
            *self.woken.lock().unwrap() = true;
            self.wakes.notify_one();
        }
    }
}
