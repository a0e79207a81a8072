//! Lets a polled reader yield to a writer on the same processor.
//!
//! The first written byte wakes a sleeping reader. If both sides share a processor, the kernel may run the reader at
//! once, in the writer's place. The reader then takes that one write and sleeps again, and the two wake each other at
//! every write. So a poll after a sleep first offers the processor to the writer, then takes what is there. Counted for
//! 64 MiB in writes of 4 KiB on one core with a busy neighbour, 6,700 to 18,000 switches become 1,000.
//!
//! If an offer brings nothing, the writer runs elsewhere, or has written all it has for now. Offers then become ever
//! rarer, since the executor has other tasks.

use super::Channel;
use crate::runtime::courtesy::Courtesy;

/// A writer is at full speed if this many bytes have arrived during an offer.
const FLOW: usize = 512;

/// At the rarest, one in this many sleeps is followed by an offer, as a power of two.
const RAREST: u32 = 8;

#[derive(Debug, Default)]
pub(super) struct Yielding {
    /// Whether the last poll returned nothing.
    slept: bool,
    /// The number of offers in a row that have brought nothing.
    vain: u32,
    /// The number of sleeps to pass without an offer.
    passes: u32,
}

impl Yielding {
    pub(super) fn slept(&mut self, slept: bool) {
        self.slept = slept;
    }

    /// Offers the processor to the writer after a sleep. Called before a poll takes.
    pub(super) fn offer(&mut self, channel: &Channel) {
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
