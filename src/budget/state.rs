//! What a budget decides: who gets how much, and who is next. Pure state: no lock, no waiting.

use std::collections::VecDeque;

/// A budget of so many bytes, and those who wait for a part of it, with whatever wakes them.
#[derive(Debug)]
pub(super) struct Grants<W> {
    total: usize,
    free: usize,
    /// In the order in which they asked. Nobody goes before the first.
    waiting: VecDeque<Request<W>>,
    /// What was given to those who have not come for it yet.
    given: Vec<(Ticket, usize)>,
    issued: u64,
}

/// A request that was not met at once.
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

    /// How many bytes nobody has.
    pub(super) fn free(&self) -> usize {
        self.free
    }

    /// Takes so many bytes, or all there are in all, without waiting; none while there are fewer or others wait.
    pub(super) fn try_take(&mut self, bytes: usize) -> usize {
        let bytes = bytes.min(self.total);
        if !self.waiting.is_empty() || bytes > self.free {
            return 0;
        }
        self.free -= bytes;
        bytes
    }

    /// Asks for so many bytes, behind all who wait. More than there is in all is asked for as that.
    pub(super) fn ask(&mut self, bytes: usize, waker: W) -> Ticket {
        let ticket = Ticket(self.issued);
        self.issued += 1;
        self.waiting.push_back(Request { ticket, bytes: bytes.min(self.total), waker });
        ticket
    }

    /// Somebody else is to be woken. Gives back who was, if the request still waits.
    pub(super) fn wake_instead(&mut self, ticket: Ticket, waker: W) -> Option<W> {
        let request = self.waiting.iter_mut().find(|request| request.ticket == ticket)?;
        Some(std::mem::replace(&mut request.waker, waker))
    }

    /// What a request was given, once.
    pub(super) fn collect(&mut self, ticket: Ticket) -> Option<usize> {
        let place = self.given.iter().position(|(given, _)| *given == ticket)?;
        Some(self.given.swap_remove(place).1)
    }

    /// Bytes come back. Says who is to be woken for it.
    pub(super) fn give_back(&mut self, bytes: usize) -> Vec<W> {
        self.free += bytes;
        self.serve()
    }

    /// A request is given up, with what it was given if it was. Says who is to be woken for it.
    pub(super) fn give_up(&mut self, ticket: Ticket) -> Vec<W> {
        self.free += self.collect(ticket).unwrap_or(0);
        // Its waker goes along, to be dropped where no lock is held.
        let place = self.waiting.iter().position(|request| request.ticket == ticket);
        let mut wakers: Vec<W> =
            place.and_then(|place| self.waiting.remove(place)).map(|it| it.waker).into_iter().collect();
        wakers.extend(self.serve());
        wakers
    }

    /// Gives to those who wait, in their order, until there is too little for the next.
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
        // There would be enough for it.
        assert_eq!((state.try_take(1), state.collect(small)), (0, None));
        assert_eq!(state.give_back(6), [] as [&str; 0]);
        assert_eq!(state.give_back(1), ["large"]);
        assert_eq!((state.collect(large), state.collect(large), state.free()), (Some(9), None, 0));
        assert_eq!(state.give_back(1), ["small"]);
        assert_eq!(state.collect(small), Some(1));
    }

    #[test]
    fn who_gives_up_lets_the_next_go_on() {
        let mut state = Grants::new(10);
        state.try_take(5);
        let first = state.ask(100, "first");
        let second = state.ask(5, "second");
        assert_eq!(state.give_up(first), ["first", "second"]);
        // It had been given what it asked for, and did not come for it.
        assert_eq!(state.give_up(second), [] as [&str; 0]);
        assert_eq!(state.free(), 5);
    }

    /// Every sequence of six steps of three parties, each of whom asks, collects, gives back or gives up.
    #[test]
    fn in_every_order_no_byte_is_lost_and_nobody_waits_for_what_is_there() {
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
                        // It asks for one byte or two.
                        (0, None) => {
                            let want = 1 + party % 2;
                            let taken = state.try_take(want);
                            held[party] += taken;
                            if taken == 0 {
                                tickets[party] = Some(state.ask(want, party));
                                order.push(party);
                            }
                        }
                        // It looks whether it was given something.
                        (0, Some(ticket)) => {
                            if let Some(given) = state.collect(ticket) {
                                held[party] += given;
                                tickets[party] = None;
                            }
                        }
                        (1, _) => {
                            let served = state.give_back(std::mem::take(&mut held[party]));
                            // In the order in which they asked.
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
                        assert!(first.bytes > state.free, "the first waits for what is there");
                    }
                }
            }
        }
    }
}
