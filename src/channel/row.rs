//! Decides when handed-over chunks go through a ring: when several come in a row.
//!
//! A ring costs memory, and its sleeping reader pays for a barrier that the writer then need not pay for. So the
//! channel borrows a ring after a few chunks in a row. The ring comes back when anything else is written, or when the
//! reader has slept.

use super::ring::{Consumer, Producer, Vacancy, ring};

/// The number of chunks that are handed over under the lock before a ring is lent.
const FIRST: usize = if cfg!(pushpull_loom) { 1 } else { 8 };

#[derive(Debug, Default)]
pub(super) struct Row {
    /// The number of chunks handed over under the lock since the row began.
    locked: usize,
    producer: Option<Producer>,
    /// `None` while lent.
    consumer: Option<Consumer>,
}

impl Row {
    /// Returns a free place in the ring, if the ring is lent and has one.
    #[inline]
    pub(super) fn place(&mut self) -> Option<Vacancy<'_>> {
        match &mut self.producer {
            Some(producer) if self.consumer.is_none() => producer.place(),
            _ => None,
        }
    }

    /// Counts a chunk handed over under the lock. Returns a ring for the channel if the row is long enough.
    pub(super) fn lend(&mut self) -> Option<Consumer> {
        self.locked += 1;
        if let Some(producer) = &mut self.producer {
            // The lock's holder has emptied the ring. Until the next look, the ring takes only as many chunks as it has
            // slots, even if the reader empties slots: the queue had room for that many.
            producer.look();
        }
        if self.locked < FIRST {
            return None;
        }
        if self.producer.is_none() {
            let (producer, consumer) = ring();
            (self.producer, self.consumer) = (Some(producer), Some(consumer));
        }
        self.consumer.take()
    }

    pub(super) fn is_lent(&self) -> bool {
        self.producer.is_some() && self.consumer.is_none()
    }

    /// Ends the row. The channel gives back the ring that it was lent.
    pub(super) fn end(&mut self, lent: Option<Consumer>) {
        self.locked = 0;
        if lent.is_some() {
            self.consumer = lent;
        }
    }
}
