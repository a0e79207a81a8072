//! When chunks that are handed over go through a ring: when they come in a row.
//!
//! A ring costs memory, and a puller that sleeps beside one pays for a barrier that its writer then need not. So it is lent
//! to the channel after a few chunks in a row, and comes back when something else is written, or the puller has slept.

use super::ring::{Consumer, Producer, Vacancy, ring};

/// So many are handed over with the lock first.
const FIRST: usize = if cfg!(pushpull_loom) { 1 } else { 8 };

#[derive(Debug, Default)]
pub(super) struct Row {
    /// How many were handed over with the lock since the row began.
    locked: usize,
    producer: Option<Producer>,
    /// Unless it is lent.
    consumer: Option<Consumer>,
}

impl Row {
    /// A place in the ring, if it is lent and has one.
    #[inline]
    pub(super) fn place(&mut self) -> Option<Vacancy<'_>> {
        match &mut self.producer {
            Some(producer) if self.consumer.is_none() => producer.place(),
            _ => None,
        }
    }

    /// Another was handed over with the lock. With that, the row may be long enough to lend the channel a ring for the next.
    pub(super) fn lend(&mut self) -> Option<Consumer> {
        self.locked += 1;
        if let Some(producer) = &mut self.producer {
            // Whoever took the lock has emptied it. Until the next look no more go into it than it has slots, even if somebody
            // takes them out: for so many there were places in the queue.
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

    /// The row ends here, and the channel gives back what it was lent.
    pub(super) fn end(&mut self, lent: Option<Consumer>) {
        self.locked = 0;
        if lent.is_some() {
            self.consumer = lent;
        }
    }
}
