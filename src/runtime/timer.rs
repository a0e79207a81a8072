//! The clock of a worker: wakes the programs that wait on it until some time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Instant;

use super::waker;

thread_local! {
    static CLOCK: RefCell<Option<Clock>> = const { RefCell::new(None) };
}

/// Who is to be woken when, each with a number of its own.
#[derive(Default)]
struct Clock {
    alarms: BTreeMap<(Instant, u64), Waker>,
    set: u64,
}

/// Set until it is dropped, which is on the thread that set it.
pub(crate) struct Alarm((Instant, u64));

impl Alarm {
    /// Wakes `waker` at `time`. `None` on a thread that has no clock.
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

/// Gives this thread a clock, which it has to look at.
pub(crate) fn keep_clock() {
    CLOCK.set(Some(Clock::default()));
}

/// Whether this thread has a clock.
pub(crate) fn has_clock() -> bool {
    with_clock(|_| ()).is_some()
}

/// Wakes everybody whose time has come, and says when the next is to be woken.
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
    fn those_whose_time_has_come_are_woken_once_and_the_dropped_are_not() {
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
