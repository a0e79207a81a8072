//! The polls of the reading end, for an asynchronous host.
//!
//! The first written byte wakes a sleeping reader. If both sides share a processor, the kernel may run the reader at
//! once, in the writer's place. The reader then takes that one write and sleeps again, and the two wake each other at
//! every write. So a poll after a sleep first offers the processor to the writer, then takes what is there. Counted for
//! 64 MiB in writes of 4 KiB on one core with a busy neighbour, 6,700 to 18,000 switches become 1,000.
//!
//! If an offer brings nothing, the writer runs elsewhere, or has written all it has for now. Offers then become ever
//! rarer, since the executor has other tasks.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Chunks, Feeder};
use crate::channel::Channel;
use crate::runtime::coroutine;
use crate::runtime::courtesy::Courtesy;
use crate::runtime::fairness::Turn;
use crate::runtime::stop_waker::StopWaker;

/// A writer is at full speed if this many bytes have arrived during an offer.
const FLOW: usize = 512;

/// At the rarest, one in this many sleeps is followed by an offer, as a power of two.
const RAREST: u32 = 8;

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

/// Lets a polled reader yield to a writer on the same processor.
#[derive(Debug, Default)]
struct Yielding {
    /// Whether the last poll returned nothing.
    slept: bool,
    /// The number of offers in a row that have brought nothing.
    vain: u32,
    /// The number of sleeps to pass without an offer.
    passes: u32,
}

impl Yielding {
    fn slept(&mut self, slept: bool) {
        self.slept = slept;
    }

    /// Offers the processor to the writer after a sleep. Called before a poll takes.
    fn offer(&mut self, channel: &Channel) {
        if self.slept {
            let mut courtesy = Courtesy::begin();
            if courtesy.gives() {
                self.offer_to(|| channel.in_flight(), || courtesy.give_way());
            }
        }
    }

    fn offer_to(&mut self, in_flight: impl Fn() -> usize, give_way: impl FnOnce()) {
        if !self.slept {
            return;
        }
        if self.passes > 0 {
            self.passes -= 1;
            return;
        }
        let before = in_flight();
        give_way();
        if in_flight() >= before + FLOW {
            self.vain = 0;
        } else {
            self.vain = (self.vain + 1).min(RAREST);
            self.passes = (1 << self.vain) - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Returns how many of `polls` polls after a sleep offer the processor to a writer that writes `written` bytes
    /// meanwhile.
    fn offers(polls: usize, written: usize) -> usize {
        let (in_flight, offers) = (Cell::new(0), Cell::new(0));
        let mut yielding = Yielding::default();
        for _ in 0..polls {
            yielding.slept(true);
            yielding.offer_to(
                || in_flight.get(),
                || {
                    in_flight.set(in_flight.get() + written);
                    offers.set(offers.get() + 1);
                },
            );
        }
        offers.get()
    }

    #[test]
    fn a_writer_at_full_speed_is_offered_the_processor_each_time_and_an_idle_one_ever_less() {
        assert_eq!(offers(1000, FLOW), 1000);
        assert!((2..=12).contains(&offers(1000, 0)), "{}", offers(1000, 0));
    }

    #[test]
    fn a_poll_after_a_chunk_offers_nothing() {
        let mut yielding = Yielding::default();
        yielding.slept(false);
        yielding.offer_to(|| 0, || panic!("the reader did not sleep"));
    }
}
