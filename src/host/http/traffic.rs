//! What is under way on a connection, and since when nothing has been.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::exchange::Answered;
use super::{End, Limits};

/// The state of one connection, which its parts share. Nothing in it waits.
pub(super) struct Traffic {
    pub(super) limits: Limits,
    /// How many requests are under way.
    active: Cell<usize>,
    /// When the last of them ended, or the client last took something.
    idle_since: Cell<Instant>,
    /// Whether the client has sent something since.
    has_begun: Cell<bool>,
    /// Since when a write has been waiting for the client.
    held_since: Cell<Option<Instant>>,
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
    pub(super) fn new(limits: Limits) -> Traffic {
        Traffic {
            limits,
            active: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            has_begun: Cell::new(false),
            held_since: Cell::new(None),
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

    /// Whether a part of a request has come since the last one.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.get()
    }

    pub(super) fn begin(&self) {
        self.active.set(self.active.get() + 1);
    }

    pub(super) fn end(&self, now: Instant) {
        self.active.set(self.active.get() - 1);
        self.idle_since.set(now);
        self.has_begun.set(false);
    }

    pub(super) fn received(&self) {
        self.has_begun.set(true);
    }

    /// A write waits for the client.
    pub(super) fn held(&self) {
        if self.held_since.get().is_none() {
            self.held_since.set(Some(Instant::now()));
        }
    }

    /// The client has taken something.
    pub(super) fn sent(&self) {
        self.held_since.set(None);
        if self.is_idle() {
            // The end of an answer, or a word of HTTP/2 about the connection.
            self.idle_since.set(Instant::now());
            self.has_begun.set(false);
        }
    }

    /// Everything written has gone to the socket.
    pub(super) fn flushed(&self) {
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

    /// Whether a limit was reached; else when to look again. Streams that have stalled are stopped here, each alone.
    pub(super) fn check(&self, now: Instant) -> Result<Instant, Overdue> {
        let Limits { head_time, stall, .. } = self.limits;
        let mut next = now + head_time;
        let mut due = |since: Instant, time: Duration| {
            let due = since + time;
            next = next.min(due);
            due <= now
        };
        match self.held_since.get() {
            Some(since) if due(since, stall) => return Err(Overdue::Stalled),
            None if self.is_idle() && due(self.idle_since.get(), head_time) => return Err(Overdue::Head),
            _ => {}
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
