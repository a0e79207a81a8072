//! A program on the calling thread, and the host's handle to it.

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

pub(super) const ENGINE_NAME: &str = "local";

/// The host's handle to a program.
///
/// Dropping a bridge ends its program: every later read, write and wait of the program is refused.
#[derive(Debug)]
pub(crate) struct Bridge {
    coroutine: Coroutine<Exchange>,
    /// Only a piece of a lent write was copied; the rest comes before the program runs again.
    lends_on: bool,
}

/// How much of a lent write is copied at once: a copy of this size is still in the cache when the host sends it.
const MAX_PIECE: usize = 64 << 10;

/// Why a program gave control back without handing over a chunk.
pub(super) enum Pause {
    /// The program has ended, with this last chunk.
    Last(Bytes),
    /// The program lends a write until it is resumed.
    Lent,
    NeedsInput,
    /// The program waits for something else, which will wake the waker.
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

    /// Runs the program until it hands over a chunk, or pauses for the reason that [`pause`](Bridge::pause) returns.
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
        } else if self.needs_input() {
            Pause::NeedsInput
        } else {
            Pause::Waiting
        }
    }

    pub(super) fn needs_input(&self) -> bool {
        self.coroutine.shared().exchange.needs_input.get()
    }

    pub(super) fn sink_would_block(&self) -> bool {
        self.coroutine.shared().exchange.sink_would_block.get()
    }

    /// Returns what the program lends and the host has not copied.
    #[inline]
    pub(super) fn lent(&self) -> &[u8] {
        if self.lends_on { &[] } else { self.coroutine.lent().unwrap_or_default() }
    }

    /// Removes the first `len` bytes from what the program lends.
    pub(super) fn shorten_lent(&mut self, len: usize) {
        self.coroutine.shorten_lent(len);
    }

    /// Copies what the program lends, for a host that keeps it. Returns the copy and the number of bytes left.
    ///
    /// A large write is copied in pieces; each further piece is a [`Pause::Lent`] of its own.
    pub(super) fn copy_lent(&mut self) -> (Bytes, usize) {
        let lent = self.lent();
        let max = match self.coroutine.shared().exchange.pending.borrow().chunk_size() {
            // Unbuffered: every write is one chunk.
            0 => usize::MAX,
            chunk_size => MAX_PIECE.max(chunk_size),
        };
        let piece = if lent.len() < max { Bytes::copy_from_slice(lent) } else { thread_cache::copy(&lent[..max]) };
        let rest = lent.len() - piece.len();
        self.shorten_lent(piece.len());
        self.lends_on = rest > 0;
        (piece, rest)
    }

    /// Returns `true` if the program has ended or is lost.
    pub(super) fn is_done(&self) -> bool {
        self.coroutine.is_done() || self.coroutine.is_lost()
    }

    /// Returns `true` if the program has ended well and its last chunk was taken.
    pub(super) fn is_over(&self) -> bool {
        let exchange = &self.coroutine.shared().exchange;
        self.coroutine.is_done() && is_none(&exchange.last) && is_none(&exchange.error)
    }

    /// Returns why the program failed, once.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        if self.coroutine.is_lost() {
            return Some(Error::truncated());
        }
        self.coroutine.shared().exchange.error.take()
    }

    /// Queues something for the program to read. The program reads nothing after an end or an error.
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
        // Before the coroutine's own `drop`, which runs the program to its end.
        self.coroutine.shared().close();
    }
}

pub(crate) fn pull(options: &Options, program: impl FnOnce(&mut Writer) -> io::Result<()> + 'static) -> Chunks {
    Chunks::new(Bridge::new(options, |link| write(link, program)), options)
}

/// Runs a program that writes, and leaves its last chunk and its error in the exchange.
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

/// Creates a feed, like [`push`], for a program that also needs the link to its host.
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
