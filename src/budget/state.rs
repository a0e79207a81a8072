//! The decisions of a budget: which request is granted, how much, and when. Pure state: no lock, no waiting.

use std::collections::VecDeque;

/// A budget, and the requests that wait for a part of it, each with a waker.
#[derive(Debug)]
pub(super) struct Grants<W> {
    total: usize,
    free: usize,
    /// Waiting requests, in the order in which they were made. No request overtakes the first.
    waiting: VecDeque<Request<W>>,
    /// Grants that were not yet collected.
    given: Vec<(Ticket, usize)>,
    issued: u64,
}

/// A request that was not granted at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

#[derive(Debug)]
struct Request<W> {
    ticket: Ticket,
    bytes: usize,
    waker: W,
}

impl<W> Grants<W> {
    pub(super) fn new(total: usize) -> Grants<W> {
        Grants { total, free: total, waiting: VecDeque::new(), given: Vec::new(), issued: 0 }
    }

    /// Returns the number of bytes that are free.
    pub(super) fn free(&self) -> usize {
        self.free
    }

    /// Takes `bytes` bytes (maximum: the whole budget) without waiting, and returns their number. Takes none if fewer
    /// are free, or other requests wait.
    pub(super) fn try_take(&mut self, bytes: usize) -> usize {
        let bytes = bytes.min(self.total);
        if !self.waiting.is_empty() || bytes > self.free {
            return 0;
        }
        self.free -= bytes;
        bytes
    }

    /// Requests `bytes` bytes (maximum: the whole budget), behind all requests that wait.
    pub(super) fn ask(&mut self, bytes: usize, waker: W) -> Ticket {
        let ticket = Ticket(self.issued);
        self.issued += 1;
        self.waiting.push_back(Request { ticket, bytes: bytes.min(self.total), waker });
        ticket
    }

    /// Replaces the waker of a request. Returns the previous waker if the request still waits.
    pub(super) fn wake_instead(&mut self, ticket: Ticket, waker: W) -> Option<W> {
        let request = self.waiting.iter_mut().find(|request| request.ticket == ticket)?;
        Some(std::mem::replace(&mut request.waker, waker))
    }

    /// Returns the bytes granted to a request, once.
    pub(super) fn collect(&mut self, ticket: Ticket) -> Option<usize> {
        let place = self.given.iter().position(|(given, _)| *given == ticket)?;
        Some(self.given.swap_remove(place).1)
    }

    /// Adds `bytes` bytes to those that are free. Returns the wakers to wake.
    pub(super) fn give_back(&mut self, bytes: usize) -> Vec<W> {
        self.free += bytes;
        self.serve()
    }

    /// Withdraws a request, and gives back its grant if it has one. Returns the wakers to wake.
    pub(super) fn give_up(&mut self, ticket: Ticket) -> Vec<W> {
        self.free += self.collect(ticket).unwrap_or(0);
        // The request's own waker is returned too, so that the caller drops it without a lock.
        let place = self.waiting.iter().position(|request| request.ticket == ticket);
        let mut wakers: Vec<W> =
            place.and_then(|place| self.waiting.remove(place)).map(|it| it.waker).into_iter().collect();
        wakers.extend(self.serve());
        wakers
    }

    /// Grants waiting requests in order, until too few bytes are free for the next.
    fn serve(&mut self) -> Vec<W> {
        let mut served = Vec::new();
        while self.waiting.front().is_some_and(|request| request.bytes <= self.free)
            && let Some(request) = self.waiting.pop_front()
        {
            self.free -= request.bytes;
            self.given.push((request.ticket, request.bytes));
            served.push(request.waker);
        }
        served
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_request_is_not_overtaken_by_small_ones() {
        let mut state = Grants::new(10);
        assert_eq!(state.try_take(8), 8);
        let large = state.ask(9, "large");
        let small = state.ask(1, "small");
        // Enough bytes are free for the small request, but the large one comes first.
        assert_eq!((state.try_take(1), state.collect(small)), (0, None));
        assert_eq!(state.give_back(6), [] as [&str; 0]);
        assert_eq!(state.give_back(1), ["large"]);
        assert_eq!((state.collect(large), state.collect(large), state.free()), (Some(9), None, 0));
        assert_eq!(state.give_back(1), ["small"]);
        assert_eq!(state.collect(small), Some(1));
    }

    #[test]
    fn giving_up_lets_the_next_request_be_granted() {
        let mut state = Grants::new(10);
        state.try_take(5);
        let first = state.ask(100, "first");
        let second = state.ask(5, "second");
        assert_eq!(state.give_up(first), ["first", "second"]);
        // The second request was granted, but not collected.
        assert_eq!(state.give_up(second), [] as [&str; 0]);
        assert_eq!(state.free(), 5);
    }

    /// Runs every sequence of six steps of three parties. Each party asks, collects, gives back or gives up.
    #[test]
    fn in_every_order_no_byte_is_lost_and_no_request_waits_for_free_bytes() {
        const PARTIES: usize = 3;
        const STEPS: u32 = 6;
        for total in 1..=3 {
            for script in 0..(PARTIES * 3).pow(STEPS) {
                let mut state = Grants::<usize>::new(total);
                let mut held = [0; PARTIES];
                let mut tickets = [None; PARTIES];
                let mut order = Vec::new();
                for step in 0..STEPS {
                    let move_ = script / (PARTIES * 3).pow(step) % (PARTIES * 3);
                    let (party, move_) = (move_ / 3, move_ % 3);
                    match (move_, tickets[party]) {
                        // The party asks for one byte or two.
                        (0, None) => {
                            let want = 1 + party % 2;
                            let taken = state.try_take(want);
                            held[party] += taken;
                            if taken == 0 {
                                tickets[party] = Some(state.ask(want, party));
                                order.push(party);
                            }
                        }
                        // The party looks for a grant.
                        (0, Some(ticket)) => {
                            if let Some(given) = state.collect(ticket) {
                                held[party] += given;
                                tickets[party] = None;
                            }
                        }
                        (1, _) => {
                            let served = state.give_back(std::mem::take(&mut held[party]));
                            // Requests are granted in the order in which they were made.
                            for woken in served {
                                assert_eq!(order.remove(0), woken);
                            }
                        }
                        (2, Some(ticket)) => {
                            tickets[party] = None;
                            order.retain(|waits| *waits != party);
                            for woken in state.give_up(ticket) {
                                if woken != party {
                                    assert_eq!(order.remove(0), woken);
                                }
                            }
                        }
                        _ => {}
                    }
                    let given: usize = state.given.iter().map(|(_, bytes)| bytes).sum();
                    assert_eq!(state.free + given + held.iter().sum::<usize>(), total);
                    assert_eq!(state.waiting.len(), order.len());
                    if let Some(first) = state.waiting.front() {
                        assert!(first.bytes > state.free, "the first request waits, though its bytes are free");
                    }
                }
            }
        }
    }
}
