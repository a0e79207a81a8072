//! Connections that are kept for the next request.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::connection::{Resting, Socket};
use crate::external::clock::after;

/// The idle connections of one upstream and its clones.
#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<State>);

/// A request whose connection is new and that has not heard of the application. All of php-fpm's processes may be taken, and
/// then one that is held by an idle connection is missing: none is kept as long as this is there.
#[derive(Debug)]
pub(super) struct Unheard(Arc<Idle>);

#[derive(Debug, Default)]
struct State {
    /// The longest idle first. Many applications hold a process for each connection, which then has nothing else to do.
    resting: VecDeque<(Instant, Resting)>,
    /// A task is there to close them in time.
    is_watched: bool,
    /// How many requests have not been heard of.
    unheard: usize,
}

impl Idle {
    /// The one that was used last, if any has not been closed.
    pub(super) fn take(&self) -> Option<Socket> {
        loop {
            let (_, resting) = self.0.lock().resting.pop_back()?;
            if resting.is_quiet()
                && let Ok(socket) = resting.wake()
            {
                return Some(socket);
            }
        }
    }

    /// Closes the one that has been idle for longest: a new connection may need its process.
    pub(super) fn make_room(&self) {
        let closed = self.0.lock().resting.pop_front();
        drop(closed);
    }

    /// Keeps a connection for so long, if there are fewer than `most`.
    pub(super) fn keep(self: &Arc<Idle>, socket: Socket, most: usize, time: Duration) {
        let Ok(resting) = socket.rest() else { return };
        let until = after(Instant::now(), time);
        let mut state = self.0.lock();
        if state.resting.len() >= most || state.unheard > 0 {
            return;
        }
        state.resting.push_back((until, resting));
        let was_watched = std::mem::replace(&mut state.is_watched, true);
        drop(state);
        if !was_watched {
            tokio::spawn(Watch(Arc::downgrade(self)).run());
        }
    }

    /// Counts a request on a new connection.
    pub(super) fn unheard(self: &Arc<Idle>) -> Unheard {
        self.0.lock().unheard += 1;
        Unheard(self.clone())
    }

    /// Closes all of them.
    pub(super) fn clear(&self) {
        let resting = std::mem::take(&mut self.0.lock().resting);
        drop(resting);
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        self.0.0.lock().unheard -= 1;
    }
}

/// The task that closes them in time. It ends with the last one, or with its runtime: the next one to be kept has another.
struct Watch(Weak<Idle>);

impl Watch {
    async fn run(self) {
        while let Some(until) = self.next() {
            sleep_until(until).await;
        }
    }

    /// Closes what has been idle for long enough, and says when to look again.
    fn next(&self) -> Option<Instant> {
        let now = Instant::now();
        let idle = self.0.upgrade()?;
        let mut state = idle.0.lock();
        let late = state.resting.iter().take_while(|(until, _)| *until <= now).count();
        let closed: Vec<_> = state.resting.drain(..late).collect();
        let next = state.resting.front().map(|(until, _)| *until);
        state.is_watched = next.is_some();
        drop(state);
        drop(closed);
        next
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // After the last one has gone the next may be watched by another task already: two are no harm.
        if let Some(idle) = self.0.upgrade() {
            idle.0.lock().is_watched = false;
        }
    }
}
