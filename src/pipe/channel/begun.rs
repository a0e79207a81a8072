//! Whether the first chunk is there.

use std::task::Context;

use super::Channel;
use crate::sync::Ordering;

/// What a channel from which nothing was pulled has.
#[derive(Debug, Clone, Copy)]
pub(in crate::pipe) enum Begun {
    /// Nothing, and nothing will come.
    Ended,
    /// A chunk that is complete, or will not be completed for now.
    Whole,
    /// A part of one.
    Partly,
    Nothing,
}

impl Channel {
    /// What has been written. Unless that is the whole of a chunk or the end, the context is woken when it is; it is not
    /// when a part is written, for a puller that waits for the whole should not be told of every write.
    pub(in crate::pipe) fn poll_begun(&self, context: &Context<'_>) -> Begun {
        let mut locked = self.locked.lock();
        let held = locked.writer.as_ref().is_some_and(|held| held.waker.is_some());
        let some = locked.in_flight() > 0;
        if locked.state.queued() > 0 || (some && held) {
            return Begun::Whole;
        }
        if locked.state.ended() {
            return Begun::Ended;
        }
        // Without the flag: only what takes the lock wakes this one.
        self.attention.value.fetch_and(!super::ASLEEP, Ordering::Relaxed);
        let before = locked.puller.replace(context.waker().clone());
        drop(locked);
        drop(before);
        if some { Begun::Partly } else { Begun::Nothing }
    }
}
