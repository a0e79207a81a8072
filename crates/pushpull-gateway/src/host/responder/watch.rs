//! The time limits of a front server's connection.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::host::ClientLimits;
use crate::host::stall::{Look, Stall};
use crate::host::stream::Stream;

/// What a front server did not do in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::host) enum Overdue {
    /// A request did not arrive completely.
    Head,
    /// The front server does not read.
    Stalled,
}

/// The clock of a connection.
#[derive(Debug)]
pub(in crate::host) struct Watch {
    head_time: Duration,
    /// The interval of checks: the shorter of the two limits, so that each is noticed in time.
    every: Duration,
    /// The request that is arriving, and since when.
    begun: Option<(u16, Instant)>,
    /// The clock of the front server, running while a write waits.
    stall: Stall,
    stream: Rc<Stream>,
    time: Pin<Box<Sleep>>,
}

impl Watch {
    pub(in crate::host) fn new(limits: &ClientLimits, stream: Rc<Stream>) -> Watch {
        let (head_time, every) =
            (limits.get_timeout_head(), limits.get_timeout_head().min(limits.get_timeout_client()));
        let stall = Stall::new(limits.get_timeout_client());
        Watch { head_time, every, begun: None, stall, stream, time: Box::pin(sleep(every)) }
    }

    /// Sets which request, by its id on this connection, is arriving: the oldest if there are several. Each request has
    /// its own time, so that none is late where one is always arriving.
    pub(in crate::host) fn begun(&mut self, which: Option<u16>) {
        if self.begun.map(|(id, _)| id) != which {
            self.begun = which.map(|id| (id, Instant::now()));
        }
    }

    /// Records whether a write waits. `moved`: part of it was just sent.
    pub(in crate::host) fn held(&mut self, is_held: bool, moved: bool) {
        if moved || !is_held {
            self.stall.moved();
        }
        if is_held {
            self.stall.held();
        }
    }

    /// Waits until a limit is reached.
    pub(in crate::host) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Overdue> {
        loop {
            ready!(self.time.as_mut().poll(context));
            let now = Instant::now();
            let mut next = now + self.every;
            match self.begun.map(|(_, since)| since + self.head_time) {
                Some(due) if due <= now => return Poll::Ready(Overdue::Head),
                Some(due) => next = next.min(due),
                None => {}
            }
            match self.stall.look(now) {
                Look::Over => return Poll::Ready(Overdue::Stalled),
                Look::Try(until) => {
                    next = next.min(until);
                    self.stream.try_writes();
                    // The write happens in the next turn.
                    context.waker().wake_by_ref();
                }
                Look::Well => {}
            }
            self.time.as_mut().reset(next);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requirement_13_each_request_of_a_connection_has_its_own_time() {
        let (stream, _other) = tokio::net::UnixStream::pair().unwrap();
        let mut watch = Watch::new(&ClientLimits::new(), Rc::new(Stream::unix(stream)));
        watch.begun(Some(1));
        let first = watch.begun;
        watch.begun(Some(1));
        assert_eq!(watch.begun, first, "a request that still arrives gets no new time");
        watch.begun(Some(2));
        let second = watch.begun;
        assert!(second.is_some_and(|(id, since)| id == 2 && first.is_some_and(|(_, before)| since >= before)));
        watch.begun(None);
        assert_eq!(watch.begun, None);
    }
}
