//! The pulling end for whoever polls: an asynchronous host.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Chunks, Feeder};
use crate::channel::yielding::Yielding;
use crate::runtime::coroutine;
use crate::runtime::fairness::Turn;
use crate::runtime::stop_waker::StopWaker;

/// What chunks that are polled have to remember.
#[derive(Debug, Default)]
pub(super) struct PulledByTask {
    /// What its task has moved since it last waited.
    turn: Turn,
    yielding: Yielding,
    stop: StopWaker,
}

impl Chunks {
    /// The same chunks, of a program whose input whoever pulls them has to move on.
    pub(crate) fn fed_by(mut self, feeder: Feeder) -> Chunks {
        self.feeder = Some(Mutex::new(feeder));
        self
    }

    /// Asks without waiting; the waker is woken when there is something.
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

    /// Whether nothing more will come, and nothing of it was an error.
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_some() || self.channel.is_over()
    }

    /// How many bytes are there, and whether that is all.
    #[cfg(feature = "http")]
    pub(crate) fn waiting(&self) -> (usize, bool) {
        self.channel.waiting()
    }
}
