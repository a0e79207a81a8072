//! Chunks of a program that borrows, for as long as a closure runs.
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

/// What [`Local::pull_scoped`](crate::Local::pull_scoped) lends: [`Chunks`] of a program that borrows.
///
/// It can be pulled, and dropped or forgotten, but the chunks themselves stay where they are, so that the program has
/// ended before anything that it borrows goes.
pub struct Scoped<'a> {
    chunks: &'a mut Chunks,
}

impl Scoped<'_> {
    /// As [`Chunks::drive_into`].
    ///
    /// # Errors
    ///
    /// As [`Chunks::drive_into`].
    pub fn drive_into(&mut self, sink: &mut (impl Write + ?Sized)) -> io::Result<u64> {
        self.chunks.drive_into(sink)
    }

    /// What has been pulled so far.
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
        // SAFETY: what `program` borrows outlives this call. The coroutine is owned by `chunks` below, which is dropped
        // before this call returns or unwinds: the host has only a `Scoped`, whose reference to it is private and is
        // used for nothing that could move the coroutine out. Dropped, it has ended, or is lost and never runs again. If
        // this frame itself never ends, because it lies on a stack that was forgotten, then the program does not run again
        // either, and what it borrows lies on that stack too or lives for ever.
        Bridge::of(unsafe { Coroutine::new_scoped(stack, || Exchange::new(options), body) })
    });
    let mut chunks = Chunks::new(bridge, options);
    host(Scoped { chunks: &mut chunks })
}
