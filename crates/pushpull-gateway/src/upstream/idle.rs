//! Connections that are kept for the next request.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::connection::{Resting, Socket};
use crate::external::clock::after;

/// The idle connections of an upstream and its clones.
#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<State>);

/// A request on a new connection, to which the application has not replied yet. While such a request exists, no
/// connection is kept: it may be waiting for a process of php-fpm that an idle connection would occupy.
#[derive(Debug)]
pub(super) struct Unheard(Arc<Idle>);

#[derive(Debug, Default)]
struct State {
    /// The longest idle connection first. Many applications occupy a process for each connection, which then has
    /// nothing else to do.
    resting: VecDeque<(Instant, Resting)>,
    /// Whether a task is running that closes expired connections.
    is_watched: bool,
    /// How many requests have had no reply yet.
    unheard: usize,
}

impl Idle {
    /// Returns the most recently used connection that is still open.
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

    /// Closes the longest idle connection: a new connection may need its process.
    pub(super) fn make_room(&self) {
        let closed = self.0.lock().resting.pop_front();
        drop(closed);
    }

    /// Keeps a connection for `time`, if fewer than `max` are kept.
    pub(super) fn keep(self: &Arc<Idle>, socket: Socket, max: usize, time: Duration) {
        let Ok(resting) = socket.rest() else { return };
        let until = after(Instant::now(), time);
        let mut state = self.0.lock();
        if state.resting.len() >= max || state.unheard > 0 {
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

    /// Closes all idle connections.
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

/// The task that closes expired connections. It ends with the last connection, or with its runtime. The next connection
/// that is kept starts another task.
struct Watch(Weak<Idle>);

impl Watch {
    async fn run(self) {
        while let Some(until) = self.next() {
            sleep_until(until).await;
        }
    }

    /// Closes expired connections, and returns when to look again.
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
        // Another task may be watching the next connection already: two tasks do no harm.
        if let Some(idle) = self.0.upgrade() {
            idle.0.lock().is_watched = false;
        }
    }
}
