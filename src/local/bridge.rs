//! A local program and its host's hold on it.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::task::Waker;

use bytes::Bytes;

use super::exchange::{Exchange, Given, Link};
use super::{Chunks, Feed, Reader, Writer};
use crate::buf::thread_cache;
use crate::error::Error;
use crate::options::Options;
use crate::runtime::coroutine::Coroutine;
use crate::runtime::program;
use crate::runtime::stack::Stack;

/// What this engine is called where several are told apart.
pub(super) const ENGINE: &str = "local";

/// Dropping it ends the program: whatever that reads, writes or waits for is refused from then on.
#[derive(Debug)]
pub(crate) struct Bridge {
    coroutine: Coroutine<Exchange>,
    /// A piece of what the program lends was copied, and the rest comes before the program runs again.
    lends_on: bool,
}

/// How much of a lent write is copied at once: the copy is still in the cache when the host sends it on.
const PIECE: usize = 64 << 10;

/// Why a program has given control back, other than to hand over a chunk.
pub(super) enum Pause {
    /// It has ended, with this chunk.
    Last(Bytes),
    /// It lends a write, until it is resumed.
    Lent,
    /// It waits for input.
    Hungry,
    /// It waits for something else; the waker will be woken.
    Waiting,
    Ended,
}

impl Bridge {
    pub(super) fn new(options: &Options, body: impl FnOnce(&Link) + 'static) -> io::Result<Bridge> {
        let stack = Stack::new(options)?;
        Ok(Bridge::of(Coroutine::new(stack, || Exchange::new(options), body)))
    }

    #[inline]
    pub(super) fn of(coroutine: Coroutine<Exchange>) -> Bridge {
        Bridge { coroutine, lends_on: false }
    }

    /// Runs the program until it has something for the host: a chunk, or else what [`pause`](Bridge::pause) tells.
    #[inline(always)]
    pub(super) fn resume(&mut self, waker: Option<&Waker>) -> Option<Bytes> {
        if self.coroutine.is_done() {
            return None;
        }
        if self.lends_on {
            self.lends_on = false;
            return None;
        }
        self.coroutine.resume(waker);
        self.coroutine.take_handed()
    }

    /// Why the program has given control back, when it did not hand over a chunk.
    #[inline]
    pub(super) fn pause(&self) -> Pause {
        if self.coroutine.lent().is_some() { Pause::Lent } else { self.pause_for_else() }
    }

    fn pause_for_else(&self) -> Pause {
        if self.coroutine.is_done() {
            let exchange = &self.coroutine.shared().exchange;
            exchange.last.take().map_or(Pause::Ended, Pause::Last)
        } else if self.coroutine.is_lost() {
            Pause::Ended
        } else if self.is_hungry() {
            Pause::Hungry
        } else {
            Pause::Waiting
        }
    }

    /// The program waits for input.
    pub(super) fn is_hungry(&self) -> bool {
        self.coroutine.shared().exchange.hungry.get()
    }

    /// The program's sink would block.
    pub(super) fn is_blocked(&self) -> bool {
        self.coroutine.shared().exchange.blocked.get()
    }

    /// What the program lends, if it has paused for that and nobody has a copy.
    #[inline]
    pub(super) fn lent(&self) -> &[u8] {
        if self.lends_on { &[] } else { self.coroutine.lent().unwrap_or_default() }
    }

    /// The first bytes of what the program lends have been dealt with.
    pub(super) fn shorten_lent(&mut self, len: usize) {
        self.coroutine.shorten_lent(len);
    }

    /// A copy of what the program lends, for a host that keeps it; of a large write a piece, and the others follow, each as
    /// a [`Pause::Lent`] of its own. Says how many bytes are left.
    pub(super) fn copy_lent(&mut self) -> (Bytes, usize) {
        let lent = self.lent();
        let most = match self.coroutine.shared().exchange.pending.borrow().chunk_size() {
            // Every write is a chunk.
            0 => usize::MAX,
            chunk_size => PIECE.max(chunk_size),
        };
        let piece = if lent.len() < most { Bytes::copy_from_slice(lent) } else { thread_cache::copy(&lent[..most]) };
        let rest = lent.len() - piece.len();
        self.shorten_lent(piece.len());
        self.lends_on = rest > 0;
        (piece, rest)
    }

    /// The program has ended, or is lost.
    pub(super) fn is_done(&self) -> bool {
        self.coroutine.is_done() || self.coroutine.is_lost()
    }

    /// The program has ended well, and its last chunk was taken.
    pub(super) fn is_over(&self) -> bool {
        let exchange = &self.coroutine.shared().exchange;
        self.coroutine.is_done() && is_none(&exchange.last) && is_none(&exchange.error)
    }

    /// Why the program failed, once.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        if self.coroutine.is_lost() {
            return Some(Error::truncated());
        }
        self.coroutine.shared().exchange.error.take()
    }

    /// Gives the program something to read, after what it was given before. What comes after an end or an error is not
    /// read.
    pub(super) fn give(&self, given: Given) {
        self.coroutine.shared().give(given);
    }
}

fn is_none<T>(cell: &Cell<Option<T>>) -> bool {
    let value = cell.take();
    let is_none = value.is_none();
    cell.set(value);
    is_none
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // Before the coroutine's own `drop`, which lets the program run on to its end.
        self.coroutine.shared().close();
    }
}

pub(crate) fn pull(options: &Options, program: impl FnOnce(&mut Writer) -> io::Result<()> + 'static) -> Chunks {
    Chunks::new(Bridge::new(options, |link| write(link, program)), options)
}

/// The body of a program that writes.
pub(super) fn write(link: &Link, program: impl FnOnce(&mut Writer) -> io::Result<()>) {
    let result = program::run(|| program(&mut Writer::new(link.clone())));
    link.finish(result);
}

pub(crate) fn push<T: 'static>(
    options: &Options,
    program: impl FnOnce(&mut Reader) -> io::Result<T> + 'static,
) -> Feed<T> {
    push_linked(options, |_, reader| program(reader))
}

/// The same for a program that has more to do with its host than to read.
pub(super) fn push_linked<T: 'static>(
    options: &Options,
    program: impl FnOnce(&Link, &mut Reader) -> io::Result<T> + 'static,
) -> Feed<T> {
    let value = Rc::new(Cell::new(None));
    let slot = value.clone();
    let bridge = Bridge::new(options, move |link| {
        let result = program::run(|| program(link, &mut Reader::fed(link.clone())));
        slot.set(Some(result));
        link.close();
    });
    Feed::new(options, bridge, value)
}
