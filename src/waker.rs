//! Wakers that lie behind a lock. One may own anything, also what lies behind the same lock: it is woken, or dropped, after it.

use std::task::Waker;

/// Has `waker` woken in the place of another, which is given back.
#[must_use = "it is dropped after the lock"]
pub(crate) fn keep(place: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    if place.as_ref().is_some_and(|kept| kept.will_wake(waker)) { None } else { place.replace(waker.clone()) }
}

pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
