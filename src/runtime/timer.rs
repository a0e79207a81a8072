//! The clock of a worker, which wakes the programs that wait with a deadline.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Instant;

use super::waker;

thread_local! {
    static CLOCK: RefCell<Option<Clock>> = const { RefCell::new(None) };
}

/// The wakers by time. A number tells apart alarms of the same time.
#[derive(Default)]
struct Clock {
    alarms: BTreeMap<(Instant, u64), Waker>,
    set: u64,
}

/// A set alarm. It is cleared when it is dropped, on the thread that set it.
pub(crate) struct Alarm((Instant, u64));

impl Alarm {
    /// Sets an alarm that wakes `waker` at `time`. Returns `None` on a thread without a clock.
    pub(crate) fn set(time: Instant, waker: &Waker) -> Option<Alarm> {
        with_clock(|clock| {
            let key = (time, clock.set);
            clock.set += 1;
            clock.alarms.insert(key, waker.clone());
            Alarm(key)
        })
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        waker::discard(with_clock(|clock| clock.alarms.remove(&self.0)).flatten());
    }
}

/// Gives this thread a clock. The thread must call [`ring`] regularly.
pub(crate) fn keep_clock() {
    CLOCK.set(Some(Clock::default()));
}

/// Returns `true` if this thread has a clock.
pub(crate) fn has_clock() -> bool {
    with_clock(|_| ()).is_some()
}

/// Wakes every waker whose time has come, and returns the time of the next alarm.
pub(crate) fn ring() -> Option<Instant> {
    loop {
        let (time, waker) = with_clock(|clock| {
            let first = clock.alarms.first_entry()?;
            let time = first.key().0;
            Some((time, (time <= Instant::now()).then(|| first.remove())))
        })??;
        match waker {
            Some(_) => waker::wake(waker),
            None => return Some(time),
        }
    }
}

fn with_clock<T>(f: impl FnOnce(&mut Clock) -> T) -> Option<T> {
    CLOCK.try_with(|clock| clock.borrow_mut().as_mut().map(f)).ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::Duration;

    use super::*;

    struct Rung(AtomicUsize);

    impl Wake for Rung {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn due_alarms_wake_once_and_dropped_alarms_do_not() {
        let rung = Arc::new(Rung(AtomicUsize::new(0)));
        let waker = rung.clone().into();
        let now = Instant::now();
        assert!(Alarm::set(now, &waker).is_none(), "a thread without a clock");
        keep_clock();
        let later = now + Duration::from_secs(1000);
        let alarms = [now, now, later].map(|time| Alarm::set(time, &waker).unwrap());
        drop(Alarm::set(now, &waker));
        assert_eq!(ring(), Some(later));
        assert_eq!(rung.0.load(Ordering::Relaxed), 2);
        drop(alarms);
        assert_eq!(ring(), None);
    }
}
