//! Fairness of a task that polls chunks: it yields to its executor after a turn.

use std::task::{Context, Poll};

use bytes::Bytes;

use crate::runtime::fairness::Turn;

impl Turn {
    /// Returns `Pending` for one poll when the task has had its turn.
    pub(crate) fn poll_yield(&mut self, context: &Context<'_>) -> Poll<()> {
        if !self.is_over() {
            return Poll::Ready(());
        }
        *self = Turn::new();
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Counts the bytes of a polled chunk. A poll without a chunk starts a new turn.
    pub(crate) fn count_polled<E>(&mut self, polled: &Poll<Option<Result<Bytes, E>>>) {
        match polled {
            Poll::Ready(Some(Ok(chunk))) => self.count(chunk.len()),
            _ => *self = Turn::new(),
        }
    }
}
