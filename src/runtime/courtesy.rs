//! Giving way while one waits, and when not to.
//!
//! Where both sides of a bridge share a processor, a side that waits gives way (`sched_yield`) before it looks again: the other
//! side has been waiting for just that, and neither has to be woken. But a yield also gives a stranger that computes on this
//! processor its turn, of some milliseconds, and Linux makes the yielding thread pay with a turn of its own. A sleeper that is
//! woken is let in nearly at once. So each yield is timed, and after a long one every thread on that processor sleeps in
//! place of giving way, for many times as long. See `DESIGN.md`, "When does a waiting side give way?".

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::sync::Apart;
use crate::sys::processor;

/// Turns of strangers are longer, and what the other side of a bridge does before it has to wait is mostly shorter.
const LONG_YIELD: Duration = Duration::from_micros(500);

/// The rest after a long yield, as a multiple of it: after the first, and after one of several in a row. Each yield that ends a
/// rest costs a turn of a stranger, so that together they are a hundredth of the time.
const FIRST_REST: u32 = 32;
const MAX_REST: u32 = 128;

/// For how many times as long as a rest it is remembered after its end.
const REMEMBERED: u64 = 4;

/// After a wait as long as this the next is expected to be as long, and not worth many looks.
const LONG_WAIT: Duration = Duration::from_micros(100);

/// Processors whose numbers are the same modulo this rest together.
const PROCESSORS: usize = 64;

static RESTS: [Apart<Rest>; PROCESSORS] = [const { Apart::new(Rest::new()) }; PROCESSORS];

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Until when threads on a processor do not give way. Two threads that change it at once leave the rest of one or the other.
#[derive(Debug)]
struct Rest {
    /// In nanoseconds of `EPOCH`. Zero if there was no long yield for a while.
    until: AtomicU64,
    /// How long the rest is.
    time: AtomicU64,
}

/// One wait: whether it gives way.
#[derive(Debug)]
pub(crate) struct Courtesy {
    rest: &'static Rest,
    gives: bool,
    /// When it last looked at the clock.
    looked: Option<Instant>,
}

impl Courtesy {
    /// Begins a wait. One that does not give way is to look for a few microseconds at most, and then to sleep: there is a
    /// stranger, or the wait may be as long as the last one of this thread.
    #[inline]
    pub(crate) fn begin() -> Courtesy {
        let rest = &RESTS[processor::current().unwrap_or(0) as usize % PROCESSORS].value;
        let waited_long = WAITED_LONG.try_with(Cell::get).unwrap_or(false);
        Courtesy { rest, gives: !waited_long && rest.is_over(), looked: None }
    }

    #[inline]
    pub(crate) fn gives(&self) -> bool {
        self.gives
    }

    /// Gives way, unless a stranger has had its turn since this wait began.
    pub(crate) fn give_way(&mut self) {
        // A model has no clock.
        if !self.gives || cfg!(pushpull_loom) {
            return;
        }
        let before = self.looked.unwrap_or_else(Instant::now);
        thread::yield_now();
        let after = Instant::now();
        self.looked = Some(after);
        if after - before >= LONG_YIELD {
            self.gives = false;
            self.rest.begin(since_epoch(before), since_epoch(after));
        }
    }
}

impl Rest {
    const fn new() -> Rest {
        Rest { until: AtomicU64::new(0), time: AtomicU64::new(0) }
    }

    #[inline]
    fn is_over(&self) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        until == 0 || self.ends(until, since_epoch(Instant::now()))
    }

    #[cold]
    fn ends(&self, until: u64, now: u64) -> bool {
        if now >= until.saturating_add(self.time.load(Ordering::Relaxed).saturating_mul(REMEMBERED)) {
            self.until.store(0, Ordering::Relaxed);
        }
        now >= until
    }

    /// A yield was long: the rest after it is twice that of the last one, if that is remembered.
    #[cold]
    fn begin(&self, before: u64, after: u64) {
        let long = after - before;
        let (first, longest) = (long.saturating_mul(FIRST_REST.into()), long.saturating_mul(MAX_REST.into()));
        let time = match self.until.load(Ordering::Relaxed) {
            0 => first,
            // Another thread's yield on this processor was long at the same time.
            until if before < until => return,
            _ => self.time.load(Ordering::Relaxed).saturating_mul(2).clamp(first, longest),
        };
        self.time.store(time, Ordering::Relaxed);
        self.until.store(after.saturating_add(time), Ordering::Relaxed);
    }
}

fn since_epoch(time: Instant) -> u64 {
    // Never zero, which stands for none.
    time.saturating_duration_since(*EPOCH).as_nanos() as u64 + 1
}

thread_local! {
    /// Whether this thread's last wait was long.
    static WAITED_LONG: Cell<bool> = const { Cell::new(false) };
}

/// A wait has ended without a sleep.
#[inline]
pub(crate) fn found() {
    let _ = WAITED_LONG.try_with(|long| long.set(false));
}

/// Sleeps by `sleep`, at the end of a wait.
pub(crate) fn sleep<T>(sleep: impl FnOnce() -> T) -> T {
    let before = Instant::now();
    let slept = sleep();
    let _ = WAITED_LONG.try_with(|long| long.set(before.elapsed() >= LONG_WAIT));
    slept
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: u64 = LONG_YIELD.as_nanos() as u64;

    #[test]
    fn the_rest_grows_while_each_yield_is_long() {
        let rest = Rest::new();
        let mut now = 1;
        let mut yield_long = |pause: u64| {
            now += pause;
            rest.begin(now, now + LONG);
            now = rest.until.load(Ordering::Relaxed);
            assert!(!rest.ends(now, now - 1) && rest.ends(now, now));
            rest.time.load(Ordering::Relaxed) / LONG
        };
        assert_eq!([0, 0, 0, 0].map(&mut yield_long), [32, 64, 128, 128]);
        assert_eq!(yield_long(LONG), 128, "the last rest is remembered");
        now += REMEMBERED * 128 * LONG;
        assert!(rest.ends(rest.until.load(Ordering::Relaxed), now));
        assert_eq!(rest.until.load(Ordering::Relaxed), 0, "and forgotten later");
        rest.begin(now, now + LONG);
        assert_eq!(rest.time.load(Ordering::Relaxed), 32 * LONG);
    }

    #[test]
    fn a_yield_that_was_long_beside_another_counts_once() {
        let rest = Rest::new();
        rest.begin(1, 1 + LONG);
        let until = rest.until.load(Ordering::Relaxed);
        rest.begin(2, 2 + LONG);
        assert_eq!(rest.until.load(Ordering::Relaxed), until);
    }

    #[test]
    fn a_wait_after_a_long_one_does_not_give_way() {
        sleep(|| thread::sleep(LONG_WAIT));
        assert!(!Courtesy::begin().gives());
        found();
        assert!(!WAITED_LONG.get());
    }
}
