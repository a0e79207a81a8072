//! What is under way on a connection, and since when nothing has been.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::exchange::Answered;
use super::heads::Heads;
use super::{ClientLimits, End};
use crate::host::stall::{Look, Stall};

/// The state of one connection, which its parts share. Nothing in it waits.
pub(super) struct Traffic {
    pub(super) limits: ClientLimits,
    /// How many requests are under way.
    active: Cell<usize>,
    /// When the last of them ended, or the client last took something of its answer.
    idle_since: Cell<Instant>,
    /// Whether the end of an answer may still wait to be sent.
    is_leaving: Cell<bool>,
    /// Where in its requests the client is (HTTP/1).
    pub(super) heads: RefCell<Heads>,
    /// The clock of the client, as long as a write waits for it.
    stall: RefCell<Stall>,
    /// How often everything written had gone to the socket.
    flushes: Cell<u64>,
    flushed: RefCell<Option<Waker>>,
    /// The end of what ends unfinished.
    pub(super) unfinished: Cell<End>,
    /// A response lasts up to the connection's close, so that only a reset can tell that it is not whole.
    pub(super) is_close_delimited: Cell<bool>,
    /// A response was cut.
    pub(super) is_cut: Cell<bool>,
    /// The request that a task is about to be made for (HTTP/2).
    latest: RefCell<Option<Rc<Answered>>>,
    /// Those that have a task (HTTP/2).
    streams: RefCell<Vec<Weak<Answered>>>,
}

/// What is wrong with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// No request has come.
    Head,
    /// The client does not read.
    Stalled,
}

impl Traffic {
    pub(super) fn new(limits: ClientLimits) -> Traffic {
        Traffic {
            stall: RefCell::new(Stall::new(limits.get_timeout_client())),
            limits,
            active: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            is_leaving: Cell::new(false),
            heads: RefCell::new(Heads::new()),
            flushes: Cell::new(0),
            flushed: RefCell::new(None),
            unfinished: Cell::new(End::Gone),
            is_close_delimited: Cell::new(false),
            is_cut: Cell::new(false),
            latest: RefCell::new(None),
            streams: RefCell::new(Vec::new()),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.active.get() == 0
    }

    pub(super) fn begin(&self) {
        self.active.set(self.active.get() + 1);
    }

    pub(super) fn end(&self, now: Instant) {
        self.active.set(self.active.get() - 1);
        self.idle_since.set(now);
        self.is_leaving.set(true);
    }

    /// A write waits for the client.
    pub(super) fn held(&self) {
        self.stall.borrow_mut().held();
    }

    /// The client has taken something. What is sent after the end of an answer, such as the answer to a `PING`, is none.
    pub(super) fn sent(&self) {
        self.stall.borrow_mut().moved();
        if self.is_idle() && self.is_leaving.get() {
            self.idle_since.set(Instant::now());
        }
    }

    /// Everything written has gone to the socket.
    pub(super) fn flushed(&self) {
        self.is_leaving.set(false);
        self.flushes.set(self.flushes.get() + 1);
        if let Some(waker) = self.flushed.borrow_mut().take() {
            waker.wake();
        }
    }

    pub(super) fn flushes(&self) -> u64 {
        self.flushes.get()
    }

    /// Ready when there has been a flush after that of number `before`.
    pub(super) fn poll_flushed(&self, before: u64, waker: &Waker) -> Poll<()> {
        if self.flushes.get() > before {
            return Poll::Ready(());
        }
        *self.flushed.borrow_mut() = Some(waker.clone());
        Poll::Pending
    }

    /// A request of HTTP/2 whose task is made next.
    pub(super) fn expect_task(&self, stream: Rc<Answered>) {
        *self.latest.borrow_mut() = Some(stream);
    }

    /// The request that a new task is for.
    pub(super) fn take_expected(&self) -> Option<Rc<Answered>> {
        let latest = self.latest.borrow_mut().take()?;
        let mut streams = self.streams.borrow_mut();
        streams.retain(|stream| stream.strong_count() > 0);
        streams.push(Rc::downgrade(&latest));
        Some(latest)
    }

    /// Stops the tasks of all requests (HTTP/2).
    pub(super) fn abort_streams(&self) {
        self.streams.borrow().iter().filter_map(Weak::upgrade).for_each(|stream| stream.abort(self.unfinished.get()));
    }

    /// Whether a limit was reached; else when to look again. Streams that have stalled are stopped here, each alone. A write
    /// that waits may have to be `tried`.
    pub(super) fn check(&self, now: Instant, tried: impl FnOnce()) -> Result<Instant, Overdue> {
        let (head_time, stall) = (self.limits.get_timeout_head(), self.limits.get_timeout_client());
        // Whatever begins to wait after this look is seen before its time is over.
        let mut next = now + head_time.min(stall);
        let mut due = |since: Instant, time: Duration| {
            let due = since + time;
            next = next.min(due);
            due <= now
        };
        match self.stall.borrow_mut().look(now) {
            Look::Over => return Err(Overdue::Stalled),
            Look::Try(until) => {
                due(until, Duration::ZERO);
                tried();
            }
            Look::Well if self.is_idle() && due(self.idle_since.get(), head_time) => return Err(Overdue::Head),
            Look::Well => {}
        }
        let streams: Vec<_> = self.streams.borrow().iter().filter_map(Weak::upgrade).collect();
        for stream in streams {
            if stream.waits_since().is_some_and(|since| due(since, stall)) {
                stream.abort(End::Cut);
            }
        }
        // One that was stopped just now lies behind.
        Ok(next.max(now + Duration::from_millis(1)))
    }
}
