//! Wakers that lie behind a lock. One may own anything, also what lies behind the same lock: it is woken, or dropped, after it.

use std::task::{Context, Poll, Waker};

use parking_lot::MutexGuard;

/// Has `waker` woken in the place of another, which is given back.
#[must_use = "it is dropped after the lock"]
pub(crate) fn keep(place: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    if place.as_ref().is_some_and(|kept| kept.will_wake(waker)) { None } else { place.replace(waker.clone()) }
}

/// Has the context woken later, by way of a place behind this lock.
pub(crate) fn wait<S, T>(
    mut state: MutexGuard<'_, S>,
    place: impl FnOnce(&mut S) -> &mut Option<Waker>,
    context: &Context<'_>,
) -> Poll<T> {
    let before = keep(place(&mut state), context.waker());
    drop(state);
    drop(before);
    Poll::Pending
}

pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
