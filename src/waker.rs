//! Wakers that lie behind a lock. One may own anything, also what lies behind the same lock: it is woken, or dropped, after it.

use std::mem;
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

/// Those who wait for one event. There may be several, and each may give up.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    wakers: Vec<(u64, Waker)>,
    issued: u64,
}

impl Watchers {
    /// Notes that `waker` is to be woken, in the place of the one that was noted with that ticket, which is given back.
    pub(crate) fn watch(&mut self, ticket: &mut Option<u64>, waker: &Waker) -> Option<Waker> {
        if let Some(own) = *ticket
            && let Some((_, noted)) = self.wakers.iter_mut().find(|(other, _)| *other == own)
        {
            return Some(mem::replace(noted, waker.clone()));
        }
        self.wakers.push((self.issued, waker.clone()));
        *ticket = Some(self.issued);
        self.issued += 1;
        None
    }

    pub(crate) fn forget(&mut self, ticket: u64) -> Option<Waker> {
        let place = self.wakers.iter().position(|(other, _)| *other == ticket)?;
        Some(self.wakers.swap_remove(place).1)
    }

    pub(crate) fn wake(self) {
        self.wakers.into_iter().for_each(|(_, waker)| waker.wake());
    }
}
