//! The one place that waits. Everything in this crate that waits is a `poll` function, which this file drives to its
//! end.
//!
//! A waiting side is a `Waker`: of a parked thread, of an asynchronous task, or of a coroutine. Which one is looked up
//! at each wait. If a coroutine on this thread was entered by a poll, the innermost such coroutine is suspended, with
//! everything nested in it. If there is none, the thread parks.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::coroutine::{self, Refused};
use super::current;
use super::timer::{self, Alarm};
use super::waker;
use crate::channel::Channel;
use crate::error::Error;

/// The first and the longest pause before a sink that would block is called again.
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const MAX_PAUSE: Duration = Duration::from_millis(10);

/// Waits inside a program until `future` is ready, and returns its output.
///
/// A program, which is ordinary blocking code, calls this function to await a timer, a database call or another task.
/// On a [`Pool`](crate::Pool), or on a [`Local`](crate::Local) whose chunks are polled, the program is suspended and
/// the thread continues with other work. Elsewhere the thread parks.
///
/// # Examples
///
/// A report on [`Local`](crate::Local) awaits a database call between two rows. It runs inside the poll of the task that
/// streams it:
///
/// ```
/// use std::io::{self, Write};
/// use futures_util::TryStreamExt;
///
/// /// A call of an asynchronous database driver.
/// async fn load_price(id: u32) -> io::Result<u32> {
///     tokio::time::sleep(std::time::Duration::from_millis(1)).await;
///     Ok(id * 10)
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
/// # runtime.block_on(async {
/// let report = pushpull::Local::new().pull(|w| {
///     for id in 1..=3 {
///         let price = pushpull::wait(load_price(id))??;
///         writeln!(w, "{id},{price}")?;
///     }
///     Ok(())
/// });
/// # #[cfg(feature = "stream")]
/// let lines: Vec<_> = report.into_stream().try_collect().await?;
/// # #[cfg(feature = "stream")]
/// assert_eq!(lines.concat(), b"1,10\n2,20\n3,30\n");
/// # io::Result::Ok(())
/// # })?;
/// # io::Result::Ok(())
/// ```
///
/// A thousand programs on one worker wait for a thousand timers:
///
/// ```
/// use std::io::Write;
/// use std::time::Duration;
///
/// # let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
/// let pool = pushpull::Pool::new(1);
/// let mut programs: Vec<_> = (0..1000)
///     .map(|n| {
///         let timers = runtime.handle().clone();
///         pool.pull(move |w| {
///             // The guard is dropped before the wait: another program may run on this thread meanwhile.
///             let timer = { let _guard = timers.enter(); tokio::time::sleep(Duration::from_millis(20)) };
///             pushpull::wait(timer)?;
///             write!(w, "{n}")
///         })
///     })
///     .collect();
/// // Starts all programs, and waits until the last has written.
/// let heads = programs.iter_mut().map(|chunks| chunks.head());
/// pollster::block_on(futures_util::future::try_join_all(heads))?;
/// for (n, chunks) in programs.iter_mut().enumerate() {
///     assert_eq!(chunks.next().unwrap()?, n.to_string());
/// }
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
///
/// Returns `BrokenPipe` (see [`Error::is_disconnected`](crate::Error::is_disconnected)) if the program is unwinding, or
/// if it is to stop because its reader was dropped. The future is then dropped. A future that is ready at the first
/// poll is never refused.
///
/// # Caveats
///
/// * If a program on [`Local`](crate::Local) is pulled by `next()`, this function parks the calling thread. If that
///   thread is the only one of an asynchronous runtime, a future that needs the runtime never becomes ready. There,
///   poll the chunks instead.
/// * A guard of a runtime's context must not be held across a wait: see the example.
pub fn wait<F: Future>(future: F) -> io::Result<F::Output> {
    let mut future = pin!(future);
    let output = until(|context| future.as_mut().poll(context)).map_err(|_| Error::disconnected())?;
    // Counts as a chunk, so that a program whose futures are always ready yields too.
    count(1);
    Ok(output)
}

/// Waits until `poll` is ready. A result that is ready at the first poll is never refused.
pub(crate) fn until<T>(poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Result<T, Refused> {
    match until_deadline(None, poll)? {
        Some(value) => Ok(value),
        None => unreachable!("no deadline was given"),
    }
}

/// Waits until `poll` is ready, or until the deadline, for which it returns `None`.
pub(crate) fn until_deadline<T>(
    deadline: Option<Instant>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Result<Option<T>, Refused> {
    let mut waiting = Waiting(None);
    let mut own = OwnWaker(None);
    loop {
        // Looked up each time: a program that was suspended in a poll may be resumed by a plain call.
        let parker = if coroutine::keep_waker(&mut own.0) { None } else { Some(parker::current()) };
        let waits = || parker.as_ref().map_or_else(coroutine::waits, |parker| parker.waits());
        let before = waits();
        let waker = parker.as_ref().map(|parker| &parker.waker).or(own.0.as_ref()).expect("kept above");
        if let Poll::Ready(value) = waiting.poll(waker, &mut poll)? {
            return Ok(Some(value));
        }
        let passed = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        match &parker {
            Some(_) if coroutine::refuses_to_wait() => return Err(Refused),
            _ if passed => return Ok(None),
            // A wait within `poll` uses the same waker, and may have consumed the wake-up meant for this wait.
            _ if waits() != before => {}
            Some(parker) => parker.park(deadline),
            None => {
                // Without a clock there is no alarm, and the deadline is checked only after other wake-ups.
                let _alarm = deadline.and_then(|deadline| Alarm::set(deadline, waker));
                coroutine::suspend_polled()?;
            }
        }
    }
}

/// Waits before a sink that would block is called again: the sink has no waker. The wait suspends or parks like any
/// other.
pub(crate) fn pause(waits: u32) -> io::Result<()> {
    let time = MAX_PAUSE.min(FIRST_PAUSE.saturating_mul(1 << waits.min(10)));
    let paused = until_deadline(Some(Instant::now() + time), |context| {
        if coroutine::is_polled() && !timer::has_clock() {
            // An executor without this crate's clock polls again and again.
            context.waker().wake_by_ref();
        }
        Poll::<()>::Pending
    });
    paused.map(drop).map_err(|_| match current::channel() {
        Some(channel) => current::refuse(&channel.program, Error::disconnected()),
        None => Error::disconnected(),
    })
}

/// A wait's own clone of its coroutine's waker. A wait within `poll` may suspend the coroutine, which ends the poll that
/// lent the original.
struct OwnWaker(Option<Waker>);

impl Drop for OwnWaker {
    fn drop(&mut self) {
        waker::discard(self.0.take());
    }
}

/// The program that runs on this thread, while it waits.
struct Waiting(Option<Arc<Channel>>);

impl Waiting {
    /// Calls `poll`. If the result is pending, the bridge of the program on this thread can wake the program, and its
    /// reader sees that the program waits.
    fn poll<T>(
        &mut self,
        waker: &Waker,
        poll: &mut impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<Poll<T>, Refused> {
        let polled = poll(&mut Context::from_waker(waker));
        if polled.is_pending() {
            self.0 = current::channel();
            if let Some(channel) = &self.0 {
                channel.program.watch(waker);
                if channel.program.refuses_to_wait() {
                    return Err(Refused);
                }
            }
        }
        Ok(polled)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(channel) = &self.0 {
            channel.program.end_wait();
        }
    }
}

/// Counts bytes that were moved without a wait. After a whole turn of them, a program that was entered by a poll yields
/// to the others (law 13).
pub(crate) fn count(bytes: usize) {
    if bytes > 0 && coroutine::turn_is_over(bytes) {
        let mut own = None;
        coroutine::keep_waker(&mut own);
        waker::wake(own);
        // Refused if the program is to stop: it then needs its turn to do so.
        let _ = coroutine::suspend_polled();
    }
}

#[cfg(not(pushpull_loom))]
mod parker {
    use super::*;

    use std::cell::Cell;
    use std::hint;
    use std::rc::Rc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::{self, Thread};

    use crate::runtime::courtesy::{self, Courtesy};

    /// The number of looks before a wait sleeps, and the number between two yields.
    const LOOKS: u32 = 200;
    const LOOKS_BETWEEN: u32 = 50;

    /// The current thread, as something that can be parked and woken.
    pub(super) struct Parker {
        state: Arc<Sleeper>,
        pub(super) waker: Waker,
        /// The number of times the thread was parked.
        waits: Cell<u64>,
    }

    struct Sleeper {
        thread: Thread,
        woken: AtomicBool,
    }

    thread_local! {
        static CURRENT: Rc<Parker> = Rc::new(Parker::new());
    }

    /// Returns this thread's parker, or a fresh one while the thread's locals are being destroyed.
    pub(super) fn current() -> Rc<Parker> {
        CURRENT.try_with(Rc::clone).unwrap_or_else(|_| Rc::new(Parker::new()))
    }

    impl Parker {
        fn new() -> Parker {
            let state = Arc::new(Sleeper { thread: thread::current(), woken: AtomicBool::new(false) });
            Parker { waker: state.clone().into(), state, waits: Cell::new(0) }
        }

        pub(super) fn waits(&self) -> u64 {
            self.waits.get()
        }

        /// Sleeps until woken or until the deadline. May also return early.
        pub(super) fn park(&self, deadline: Option<Instant>) {
            self.waits.set(self.waits.get() + 1);
            if self.looks() {
                courtesy::found();
                return;
            }
            courtesy::sleep(|| match deadline {
                None => thread::park(),
                Some(deadline) => thread::park_timeout(deadline.saturating_duration_since(Instant::now())),
            });
        }

        /// Returns `true` if the thread was woken. Spins and yields first, unless the last wait on this thread was
        /// long.
        fn looks(&self) -> bool {
            let woken = &self.state.woken;
            let mut courtesy = Courtesy::begin();
            for look in 0..LOOKS {
                // ORDERING: acquire pairs with the release in `wake`: what the waking thread did before is visible
                // here.
                if woken.load(Ordering::Relaxed) && woken.swap(false, Ordering::Acquire) {
                    return true;
                }
                if !courtesy.gives() {
                    break;
                }
                if look % LOOKS_BETWEEN == 0 {
                    courtesy.give_way();
                } else {
                    hint::spin_loop();
                }
            }
            woken.swap(false, Ordering::Acquire)
        }
    }

    impl Wake for Sleeper {
        fn wake(self: Arc<Self>) {
            self.wake_by_ref();
        }

        fn wake_by_ref(self: &Arc<Self>) {
            self.woken.store(true, Ordering::Release);
            self.thread.unpark();
        }
    }
}

/// The same with `loom`'s threads.
#[cfg(pushpull_loom)]
mod parker {
    use super::*;

    use loom::sync::{Condvar, Mutex};

    pub(super) struct Parker {
        state: Arc<Sleeper>,
        pub(super) waker: Waker,
    }

    struct Sleeper {
        woken: Mutex<bool>,
        wakes: Condvar,
    }

    pub(super) fn current() -> Parker {
        let state = Arc::new(Sleeper { woken: Mutex::new(false), wakes: Condvar::new() });
        Parker { waker: state.clone().into(), state }
    }

    impl Parker {
        /// Returns 0: each wait has a parker of its own, so no wait within it can take its wake-up.
        #[allow(clippy::unused_self, reason = "the other parker's signature")]
        pub(super) fn waits(&self) -> u64 {
            0
        }

        pub(super) fn park(&self, _: Option<Instant>) {
            let mut woken = self.state.woken.lock().unwrap();
            while !*woken {
                woken = self.state.wakes.wait(woken).unwrap();
            }
        }
    }

    impl Wake for Sleeper {
        fn wake(self: Arc<Self>) {
            *self.woken.lock().unwrap() = true;
            self.wakes.notify_one();
        }
    }
}
