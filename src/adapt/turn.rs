//! Law 13: a bridge that is always ready still yields to its executor.

use std::task::{Context, Poll};

use bytes::Bytes;

/// How many bytes, or chunks of any size, are handed out before the executor has its turn.
const MOST_BYTES: usize = 1 << 20;
const MOST_CHUNKS: u32 = 64;

/// What a task has been given since it last waited.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    bytes: usize,
    chunks: u32,
}

impl Turn {
    /// Waits, for one poll, when the task has had enough.
    pub(crate) fn poll_yield(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.bytes < MOST_BYTES && self.chunks < MOST_CHUNKS {
            return Poll::Ready(());
        }
        *self = Turn::default();
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Counts what a poll gave.
    pub(crate) fn count<E>(&mut self, polled: &Poll<Option<Result<Bytes, E>>>) {
        match polled {
            Poll::Ready(Some(Ok(chunk))) => {
                self.bytes = self.bytes.saturating_add(chunk.len());
                self.chunks += 1;
            }
            _ => *self = Turn::default(),
        }
    }
}
