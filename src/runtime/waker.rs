//! Helpers for wakers stored behind a lock. Waking or dropping a waker can run arbitrary code, including code that
//! takes the same lock, so do both after releasing it. That code may also panic; such a panic is caught here, because
//! it would hit an unrelated caller.

use std::mem;
use std::task::{Context, Poll, Waker};

use parking_lot::MutexGuard;

use super::contained::contained;

/// Stores `waker` and returns the one that was stored before, to be discarded after the lock is released.
#[must_use = "it is discarded after the lock is released"]
pub(crate) fn keep(place: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    if place.as_ref().is_some_and(|kept| kept.will_wake(waker)) { None } else { place.replace(waker.clone()) }
}

/// Stores the context's waker in a place behind this lock, and releases the lock.
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

/// Wakes this waker, if there is one.
#[inline]
pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        contained(|| waker.wake());
    }
}

/// Wakes all of these wakers.
#[inline]
pub(crate) fn wake_all(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(|waker| wake(Some(waker)));
}

/// Drops this waker, if there is one, without waking it.
#[inline]
pub(crate) fn discard(waker: Option<Waker>) {
    if let Some(waker) = waker {
        contained(|| drop(waker));
    }
}

/// The wakers of the tasks that wait for one event. Each task may give up.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    wakers: Vec<(u64, Waker)>,
    issued: u64,
}

impl Watchers {
    /// Stores `waker`, in place of the one with this ticket if there is one, which is returned.
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

    /// Returns the wakers of all tasks that wait for an event.
    pub(crate) fn all(watchers: Option<Box<Watchers>>) -> Vec<Waker> {
        watchers.map_or_else(Vec::new, |watchers| watchers.wakers.into_iter().map(|(_, waker)| waker).collect())
    }
}
