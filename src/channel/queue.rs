//! What is queued in a channel, in order. One chunk costs no memory beside the channel's own: most bridges never have more.

use std::collections::VecDeque;
use std::mem;

#[derive(Debug)]
pub(super) struct Queue<P> {
    /// `None` only if nothing is queued.
    first: Option<P>,
    rest: VecDeque<P>,
}

impl<P> Queue<P> {
    pub(super) const fn new() -> Queue<P> {
        Queue { first: None, rest: VecDeque::new() }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    pub(super) fn push(&mut self, piece: P) {
        if self.first.is_none() {
            self.first = Some(piece);
        } else {
            self.rest.push_back(piece);
        }
    }

    pub(super) fn pop(&mut self) -> Option<P> {
        let first = self.first.take()?;
        self.first = self.rest.pop_front();
        Some(first)
    }

    /// All of it, into what is empty.
    pub(super) fn take_all(&mut self, into: &mut VecDeque<P>) {
        mem::swap(&mut self.rest, into);
        if let Some(first) = self.first.take() {
            into.push_front(first);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &P> {
        self.first.iter().chain(&self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_first_goes_first() {
        let mut queue = Queue::new();
        for round in 1..5 {
            (0..round).for_each(|piece| queue.push(piece));
            assert_eq!(queue.len(), round);
            assert_eq!(queue.pop(), Some(0));
            queue.push(round);
            assert_eq!(std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(), (1..=round).collect::<Vec<_>>());
            assert_eq!(queue.len(), 0);
            (0..round).for_each(|piece| queue.push(piece));
            let mut all = VecDeque::new();
            queue.take_all(&mut all);
            assert_eq!((all, queue.len()), ((0..round).collect(), 0));
        }
    }
}
