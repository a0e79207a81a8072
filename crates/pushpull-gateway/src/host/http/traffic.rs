//! The state of a connection: what is in progress, and since when nothing has happened.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::exchange::Answered;
use super::heads::Heads;
use super::{ClientLimits, CutReason, End};
use crate::host::stall::{Look, Stall};

/// The state that the parts of one connection share. Nothing in it blocks.
pub(super) struct Traffic {
    pub(super) limits: ClientLimits,
    /// The number of requests in progress.
    active: Cell<usize>,
    /// When the last request ended, or when the client last read part of its response.
    idle_since: Cell<Instant>,
    /// `true` once a request has begun: the time between requests counts, and not that of the first head.
    is_kept: Cell<bool>,
    /// When the head that is arriving began, if the connection is kept (HTTP/1).
    head_since: Cell<Option<Instant>>,
    /// `true` while the end of a response may still wait to be sent.
    is_leaving: Cell<bool>,
    /// The position in the client's requests (HTTP/1).
    pub(super) heads: RefCell<Heads>,
    /// The clock of the client, running while a write waits.
    stall: RefCell<Stall>,
    /// The number of flushes: times when everything written had reached the socket.
    flushes: Cell<u64>,
    flushed: RefCell<Option<Waker>>,
    /// How requests ended that are still unfinished when the connection ends.
    pub(super) unfinished: Cell<End>,
    /// Why, if they are cut.
    pub(super) reason: Cell<CutReason>,
    /// `true` if a response ends with the connection, so that only a reset can show a truncation.
    pub(super) is_close_delimited: Cell<bool>,
    /// `true` once a response was cut.
    pub(super) is_cut: Cell<bool>,
    /// The request whose task hyper creates next (HTTP/2).
    latest: RefCell<Option<Rc<Answered>>>,
    /// The requests that have a task (HTTP/2).
    streams: RefCell<Vec<Weak<Answered>>>,
}

/// The time limit that a connection exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// No complete request has arrived.
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
            is_kept: Cell::new(false),
            head_since: Cell::new(None),
            is_leaving: Cell::new(false),
            heads: RefCell::new(Heads::new()),
            flushes: Cell::new(0),
            flushed: RefCell::new(None),
            unfinished: Cell::new(End::Gone),
            reason: Cell::new(CutReason::Service),
            is_close_delimited: Cell::new(false),
            is_cut: Cell::new(false),
            latest: RefCell::new(None),
            streams: RefCell::new(Vec::new()),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.active.get() == 0
    }

    /// Returns `true` if a request has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.is_kept.get()
    }

    pub(super) fn begin(&self) {
        self.active.set(self.active.get() + 1);
        self.is_kept.set(true);
    }

    /// Follows the client's next bytes.
    pub(super) fn received(&self, bytes: &mut [u8]) {
        let mut heads = self.heads.borrow_mut();
        heads.follow(bytes);
        match (heads.is_within(), self.head_since.get()) {
            (true, None) => self.head_since.set(Some(Instant::now())),
            (false, Some(_)) => self.head_since.set(None),
            _ => {}
        }
    }

    pub(super) fn end(&self, now: Instant) {
        self.active.set(self.active.get() - 1);
        self.idle_since.set(now);
        self.is_leaving.set(true);
    }

    /// Records that a write waits for the client.
    pub(super) fn held(&self) {
        self.stall.borrow_mut().held();
    }

    /// Records that the client has read something. Bytes sent after the end of a response, such as the reply to a
    /// `PING`, do not count.
    pub(super) fn sent(&self) {
        self.stall.borrow_mut().moved();
        if self.is_idle() && self.is_leaving.get() {
            self.idle_since.set(Instant::now());
        }
    }

    /// Records that everything written has reached the socket.
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

    /// Waits for a flush after the one with number `before`.
    pub(super) fn poll_flushed(&self, before: u64, waker: &Waker) -> Poll<()> {
        if self.flushes.get() > before {
            return Poll::Ready(());
        }
        *self.flushed.borrow_mut() = Some(waker.clone());
        Poll::Pending
    }

    /// Records an HTTP/2 request whose task hyper creates next.
    pub(super) fn expect_task(&self, stream: Rc<Answered>) {
        *self.latest.borrow_mut() = Some(stream);
    }

    /// Returns the request for which a task is created.
    pub(super) fn take_expected(&self) -> Option<Rc<Answered>> {
        let latest = self.latest.borrow_mut().take()?;
        let mut streams = self.streams.borrow_mut();
        streams.retain(|stream| stream.strong_count() > 0);
        streams.push(Rc::downgrade(&latest));
        Some(latest)
    }

    /// Records that unfinished requests are cut.
    pub(super) fn cut(&self, reason: CutReason) {
        self.unfinished.set(End::Cut);
        self.reason.set(reason);
    }

    /// Stops the tasks of all requests (HTTP/2).
    pub(super) fn abort_streams(&self) {
        let (end, reason) = (self.unfinished.get(), self.reason.get());
        self.streams.borrow().iter().filter_map(Weak::upgrade).for_each(|stream| stream.abort(end, reason));
    }

    /// Returns since when, and for how long, the connection may be without a complete request.
    fn idle(&self) -> (Instant, Duration) {
        let (since, limits) = (self.idle_since.get(), &self.limits);
        match self.head_since.get() {
            _ if !self.is_kept.get() => (since, limits.get_timeout_head()),
            // The beginning of a head may have arrived during the response before it.
            Some(begun) => (begun.max(since), limits.get_timeout_head()),
            None => (since, limits.get_keep_alive()),
        }
    }

    /// Returns the interval of checks. With it, a wait that begins after a check is seen before its limit.
    pub(super) fn interval(&self) -> Duration {
        let limits = &self.limits;
        limits.get_timeout_head().min(limits.get_keep_alive()).min(limits.get_timeout_client())
    }

    /// Returns the time of the next check, or the limit that was reached. Aborts stalled streams, each on its own.
    /// Calls `tried` if a waiting write has to be tried.
    pub(super) fn check(&self, now: Instant, tried: impl FnOnce()) -> Result<Instant, Overdue> {
        let (stall, (idle_since, idle_time)) = (self.limits.get_timeout_client(), self.idle());
        let mut next = now + self.interval();
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
            Look::Well if self.is_idle() && due(idle_since, idle_time) => return Err(Overdue::Head),
            Look::Well => {}
        }
        let streams: Vec<_> = self.streams.borrow().iter().filter_map(Weak::upgrade).collect();
        for stream in streams {
            if stream.waits_since().is_some_and(|since| due(since, stall)) {
                stream.abort(End::Cut, CutReason::Stalled);
            }
        }
        // The time of a stream that was just aborted lies in the past.
        Ok(next.max(now + Duration::from_millis(1)))
    }
}
