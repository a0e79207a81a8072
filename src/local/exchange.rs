//! What crosses the switch between a local program and its host. One thing at a time: there is no queue.

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
    /// From the program when it has ended: the last chunk. Others are handed over by its frame.
    pub(super) last: Cell<Option<Bytes>>,
    /// Of the program: writes that are not yet a chunk. It is here, and not in the `Writer`, so that a writer that gets
    /// away takes nothing with it.
    pub(super) pending: RefCell<Pending>,
    /// From the program: why it failed.
    pub(super) error: Cell<Option<io::Error>>,
    /// Of the program: the reads and writes that it was refused.
    refusals: Refusals,
    /// From the program: it waits for input.
    pub(super) hungry: Cell<bool>,
    /// From the program: its sink would block.
    pub(super) blocked: Cell<bool>,
    /// To the program: what it reads next, in order. A program that only writes does not pay for it.
    input: Cell<Option<Box<GivenQueue>>>,
}

#[derive(Default)]
struct GivenQueue(VecDeque<Given>);

/// What a host gives a program to read.
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
            hungry: Cell::new(false),
            blocked: Cell::new(false),
            input: Cell::new(None),
        }
    }
}

impl Shared<Exchange> {
    /// Hands over what is pending. Refused, it stays pending.
    #[inline]
    pub(super) fn hand_pending(&self) -> Result<(), Refused> {
        if self.exchange.pending.borrow().is_empty() { Ok(()) } else { self.hand_some() }
    }

    fn hand_some(&self) -> Result<(), Refused> {
        self.frame.may_suspend()?;
        let pending = self.exchange.pending.borrow_mut().take();
        pending.map_or(Ok(()), |chunk| self.frame.hand(chunk))
    }

    /// The next thing to read, waiting for it if need be. `None` when the host will give no more.
    pub(super) fn receive(&self) -> Option<Given> {
        loop {
            if let Some(given) = self.next_given() {
                return Some(given);
            }
            self.exchange.hungry.set(true);
            let resumed = self.frame.suspend(|| ());
            self.exchange.hungry.set(false);
            if resumed.is_err() {
                return self.next_given();
            }
        }
    }

    /// The program's sink would block: gives control to the host, which lets the program go on when the sink is to be asked
    /// again.
    pub(super) fn wait_for_sink(&self) -> io::Result<()> {
        let resumed = self.frame.suspend(|| self.exchange.blocked.set(true));
        self.exchange.blocked.set(false);
        resumed.map_err(|_| self.refuse(Error::disconnected()))
    }

    /// Gives the program something to read, after what it was given before.
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

    /// Counts a refused read or write, and gives the error for it; or unwinds a program that has had enough of them.
    #[cold]
    pub(super) fn refuse(&self, error: io::Error) -> io::Error {
        if self.exchange.refusals.is_enough() && self.frame.may_unwind() {
            self.exchange.refusals.unwind();
        }
        error
    }

    /// The program has ended: what it wrote and nobody has seen is the last chunk.
    pub(super) fn finish(&self, result: io::Result<()>) {
        let pending = self.exchange.pending.borrow_mut().take();
        self.exchange.last.set(pending);
        self.exchange.error.set(result.err());
        self.close();
    }

    /// Nothing that is written from here on goes anywhere.
    pub(super) fn close(&self) {
        self.frame.close();
        self.exchange.pending.borrow_mut().close();
    }
}
