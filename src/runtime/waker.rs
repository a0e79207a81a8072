//! Wakers stored behind a lock. Waking or dropping one runs foreign code, which may take the same lock: so both come after
//! the lock is released. And it may panic, in the middle of what another side has asked for: such a panic ends here.

use std::mem;
use std::task::{Context, Poll, Waker};

use parking_lot::MutexGuard;

use super::contained::contained;

/// Stores `waker` and returns the one that was stored before, to be discarded after the lock is released.
#[must_use = "it is discarded after the lock is released"]
pub(crate) fn keep(place: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    if place.as_ref().is_some_and(|kept| kept.will_wake(waker)) { None } else { place.replace(waker.clone()) }
}

/// Stores the context's waker in a place behind this lock.
pub(crate) fn wait<S, T>(
    mut state: MutexGuard<'_, S>,
    place: impl FnOnce(&mut S) -> &mut Option<Waker>,
    context: &Context<'_>,
) -> Poll<T> {
    let before = keep(place(&mut state), context.waker());
    drop(state);
    discard(before);
    Poll::Pending
}

/// Wakes all of them.
pub(crate) fn wake(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        contained(|| waker.wake());
    }
}

/// Drops all of them unwoken.
pub(crate) fn discard(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        contained(|| drop(waker));
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

    pub(crate) fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    pub(crate) fn into_wakers(self) -> impl Iterator<Item = Waker> {
        self.wakers.into_iter().map(|(_, waker)| waker)
    }
}
