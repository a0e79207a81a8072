//! The chunks of a program that borrows, usable inside one closure.
#![allow(unsafe_code, reason = "a program that borrows must not outlive what it borrows")]

use std::fmt;
use std::io::{self, Write};

use bytes::Bytes;

use super::bridge::{self, Bridge};
use super::exchange::{Exchange, Link};
use super::{Chunks, Writer};
use crate::options::Options;
use crate::runtime::coroutine::Coroutine;
use crate::runtime::stack::Stack;
use crate::stats::Stats;

/// The [`Chunks`] of a program that borrows, lent by [`Local::pull_scoped`](crate::Local::pull_scoped).
///
/// The chunks can be pulled through it. Dropping or forgetting it does not move them, so the program ends before
/// anything that it borrows is dropped.
pub struct Scoped<'a> {
    chunks: &'a mut Chunks,
}

impl Scoped<'_> {
    /// Writes the program's output into `sink`: see [`Chunks::drive_into`].
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`Chunks::drive_into`].
    pub fn drive_into(&mut self, sink: &mut (impl Write + ?Sized)) -> io::Result<u64> {
        self.chunks.drive_into(sink)
    }

    /// Returns what has been pulled so far.
    pub fn stats(&self) -> Stats {
        self.chunks.stats()
    }
}

impl Iterator for Scoped<'_> {
    type Item = io::Result<Bytes>;

    #[inline]
    fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.chunks.next()
    }
}

impl std::iter::FusedIterator for Scoped<'_> {}

impl fmt::Debug for Scoped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scoped").field(&self.chunks).finish()
    }
}

pub(crate) fn pull_scoped<P, F, R>(options: &Options, program: P, host: F) -> R
where
    P: FnOnce(&mut Writer) -> io::Result<()>,
    F: FnOnce(Scoped<'_>) -> R,
{
    let body = |link: &Link| bridge::write(link, program);
    let bridge = Stack::new(options).map(|stack| {
        // SAFETY: what `program` borrows outlives this call, so the coroutine must not run after this call has ended.
        // `chunks` below owns the coroutine, and is dropped before this call returns or unwinds. The host has only a
        // `Scoped`, whose private reference is never used to move the coroutine out. A dropped coroutine has ended, or
        // is lost and never runs again. If this frame lies on a forgotten stack, this call never ends. The program does
        // not run again then, and what it borrows lies on that stack too, or lives forever.
        Bridge::of(unsafe { Coroutine::new_scoped(stack, || Exchange::new(options), body) })
    });
    let mut chunks = Chunks::new(bridge, options);
    host(Scoped { chunks: &mut chunks })
}
