//! What crosses the switch between a program and its host on one thread. There is no queue: one chunk crosses at a
//! time.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use bytes::Bytes;

use crate::buf::chunker::Pending;
use crate::error::Error;
use crate::options::Options;
use crate::runtime::coroutine::Refused;
use crate::runtime::coroutine::Shared;
use crate::runtime::unwind::Refusals;

pub(super) type Link = Rc<Shared<Exchange>>;

pub(super) struct Exchange {
    /// The last chunk of a program that has ended. The frame hands over all other chunks.
    pub(super) last: Cell<Option<Bytes>>,
    /// Writes that are not yet a chunk. They are here, and not in the `Writer`, so that a writer that is moved out of
    /// the program takes no bytes with it.
    pub(super) pending: RefCell<Pending>,
    pub(super) error: Cell<Option<io::Error>>,
    /// Reads and writes of the program that were refused.
    refusals: Refusals,
    pub(super) needs_input: Cell<bool>,
    pub(super) sink_would_block: Cell<bool>,
    /// What the program reads next, in order. In a box: a program that only writes needs no queue.
    input: Cell<Option<Box<GivenQueue>>>,
}

#[derive(Default)]
struct GivenQueue(VecDeque<Given>);

/// One item of a program's input.
pub(super) enum Given {
    Chunk(Bytes),
    Error(io::Error),
    End,
}

#[cfg(any(feature = "http", feature = "stream"))]
impl From<io::Result<Bytes>> for Given {
    fn from(item: io::Result<Bytes>) -> Given {
        item.map_or_else(Given::Error, Given::Chunk)
    }
}

impl Exchange {
    #[inline]
    pub(super) fn new(options: &Options) -> Exchange {
        Exchange {
            last: Cell::new(None),
            pending: RefCell::new(Pending::new(options.unqueued_chunk_size(), options.unbuffered)),
            error: Cell::new(None),
            refusals: Refusals::new(options.unwind),
            needs_input: Cell::new(false),
            sink_would_block: Cell::new(false),
            input: Cell::new(None),
        }
    }
}

impl Shared<Exchange> {
    /// Hands over the pending writes. If that is refused, they stay pending.
    #[inline]
    pub(super) fn hand_pending(&self) -> Result<(), Refused> {
        if self.exchange.pending.borrow().is_empty() { Ok(()) } else { self.hand_some() }
    }

    fn hand_some(&self) -> Result<(), Refused> {
        self.frame.may_suspend()?;
        let pending = self.exchange.pending.borrow_mut().take();
        pending.map_or(Ok(()), |chunk| self.frame.hand(chunk))
    }

    /// Waits for the next item of input. Returns `None` if the host will give no more.
    pub(super) fn receive(&self) -> Option<Given> {
        loop {
            if let Some(given) = self.next_given() {
                return Some(given);
            }
            self.exchange.needs_input.set(true);
            let resumed = self.frame.suspend(|| ());
            self.exchange.needs_input.set(false);
            if resumed.is_err() {
                return self.next_given();
            }
        }
    }

    /// Suspends the program, whose sink would block, until the host resumes it to try the sink again.
    pub(super) fn wait_for_sink(&self) -> io::Result<()> {
        let resumed = self.frame.suspend(|| self.exchange.sink_would_block.set(true));
        self.exchange.sink_would_block.set(false);
        resumed.map_err(|_| self.refuse(Error::disconnected()))
    }

    pub(super) fn give(&self, given: Given) {
        let mut input = self.exchange.input.take().unwrap_or_default();
        input.0.push_back(given);
        self.exchange.input.set(Some(input));
    }

    fn next_given(&self) -> Option<Given> {
        let mut input = self.exchange.input.take()?;
        let given = input.0.pop_front();
        self.exchange.input.set(Some(input));
        given
    }

    /// Counts a refused read or write, and returns the error for it. Unwinds a program that has ignored too many of
    /// them.
    #[cold]
    pub(super) fn refuse(&self, error: io::Error) -> io::Error {
        if self.exchange.refusals.is_enough() && self.frame.may_unwind() {
            self.exchange.refusals.unwind();
        }
        error
    }

    /// Records the end of the program. Its pending writes become the last chunk.
    pub(super) fn finish(&self, result: io::Result<()>) {
        let pending = self.exchange.pending.borrow_mut().take();
        self.exchange.last.set(pending);
        self.exchange.error.set(result.err());
        self.close();
    }

    /// Closes the exchange: every later write is refused.
    pub(super) fn close(&self) {
        self.frame.close();
        self.exchange.pending.borrow_mut().close();
    }
}
