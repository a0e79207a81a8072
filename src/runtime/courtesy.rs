//! When a waiting thread yields to others, and when it sleeps.
//!
//! If both sides of a bridge share a processor, a waiting side yields (`sched_yield`) before it looks again. The other
//! side can then run at once, and neither has to be woken.
//!
//! But a yield also gives a turn, of some milliseconds, to an unrelated thread that computes on this processor. Linux
//! then charges the yielding thread with a turn of its own. A woken sleeper, in contrast, runs nearly at once. So each
//! yield is timed. After a long one, every thread on that processor sleeps instead of yielding, for many times as long.
//! See `docs/design/waiting.md`, "When does a waiting side give way?".

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::sync::Apart;
use crate::sys::processor;

/// A turn of an unrelated thread is longer. The other side of a bridge mostly has to wait sooner.
const LONG_YIELD: Duration = Duration::from_micros(500);

/// The rest after a long yield, as a multiple of the yield: after the first long yield, and at most after several in a
/// row. Each yield that ends a rest costs a turn of an unrelated thread; together these turns take about a hundredth of
/// the time.
const FIRST_REST: u32 = 32;
const MAX_REST: u32 = 128;

/// The time for which a rest is remembered after its end, as a multiple of the rest.
const REMEMBERED: u64 = 4;

/// After a wait of this length, the next is expected to be as long, and is not worth many looks.
const LONG_WAIT: Duration = Duration::from_micros(100);

/// Processors whose numbers are equal modulo this number share a rest.
const PROCESSORS: usize = 64;

static RESTS: [Apart<Rest>; PROCESSORS] = [const { Apart::new(Rest::new()) }; PROCESSORS];

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The time until which threads on a processor do not yield. If two threads change it at once, the rest of either
/// remains.
#[derive(Debug)]
struct Rest {
    /// In nanoseconds since `EPOCH`. Zero if there was no long yield for a while.
    until: AtomicU64,
    /// The length of the rest.
    time: AtomicU64,
}

/// One wait, and whether it yields.
#[derive(Debug)]
pub(crate) struct Courtesy {
    rest: &'static Rest,
    gives: bool,
    /// The last time that the clock was read.
    looked: Option<Instant>,
}

impl Courtesy {
    /// Begins a wait. If it does not yield, the caller should look for a few microseconds and then sleep. Then either
    /// an unrelated thread uses the processor, or this thread's last wait was long.
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

    /// Yields, unless an unrelated thread has had its turn since this wait began.
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

    /// Begins a rest after a long yield. While the last rest is remembered, the new one is twice as long.
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
    // Never zero, which stands for no rest.
    time.saturating_duration_since(*EPOCH).as_nanos() as u64 + 1
}

thread_local! {
    /// `true` if this thread's last wait was long.
    static WAITED_LONG: Cell<bool> = const { Cell::new(false) };
}

/// Notes that a wait has ended without a sleep.
#[inline]
pub(crate) fn found() {
    let _ = WAITED_LONG.try_with(|long| long.set(false));
}

/// Calls `sleep` at the end of a wait, and notes whether it took long.
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
        assert_eq!(yield_long(LONG), 128, "the last rest must be remembered");
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
    fn a_wait_after_a_long_one_does_not_yield() {
        sleep(|| thread::sleep(LONG_WAIT));
        assert!(!Courtesy::begin().gives());
        found();
        assert!(!WAITED_LONG.get());
    }
}
