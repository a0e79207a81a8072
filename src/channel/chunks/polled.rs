//! The polls of the reading end, for an asynchronous host.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Chunks, Feeder};
use crate::channel::yielding::Yielding;
use crate::runtime::coroutine;
use crate::runtime::fairness::Turn;
use crate::runtime::stop_waker::StopWaker;

/// The state of chunks that are polled.
#[derive(Debug, Default)]
pub(super) struct PulledByTask {
    /// The bytes that the task has moved since it last waited.
    turn: Turn,
    yielding: Yielding,
    stop: StopWaker,
}

impl Chunks {
    /// Sets the feeder that moves the program's input on at each pull.
    pub(crate) fn fed_by(mut self, feeder: Feeder) -> Chunks {
        self.feeder = Some(Mutex::new(feeder));
        self
    }

    /// Polls for the next chunk. Registers the waker if there is none.
    pub(crate) fn poll_in_turn(&mut self, context: &Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.end.is_some() {
            return Poll::Ready(None);
        }
        self.begin();
        ready!(self.polled.turn.poll_yield(context));
        if self.feeder.is_none() && !coroutine::is_polled() {
            self.polled.yielding.offer(&self.channel);
        }
        let taken = self.poll_take(context);
        let polled = self.polled.stop.watch(taken, context).map(|taken| self.settle(taken));
        self.polled.yielding.slept(polled.is_pending());
        self.polled.turn.count_polled(&polled);
        polled
    }

    /// Returns `true` if the chunks have ended, and no error is left to report.
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_some() || self.channel.is_over()
    }

    /// Returns how many bytes are available, and whether they are the last.
    #[cfg(feature = "http")]
    pub(crate) fn waiting(&self) -> (usize, bool) {
        self.channel.waiting()
    }
}
