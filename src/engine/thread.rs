//! Programs on threads of their own.

use std::io;

use super::bridge::{self, Launcher};
use crate::options::{Options, engine_options, queue_options};
use crate::pipe::{Chunks, Feed, Filter, Reader, Writer};

/// Runs each program on an operating-system thread of its own, behind a bounded channel.
///
/// The program runs ahead of its host, up to the [`capacity`](Thread::capacity). Threads are kept for a while when a
/// program has ended, and reused.
///
/// ```
/// use std::io::Write;
///
/// let mut chunks = pushpull::Thread::new().name("numbers").pull(|w| {
///     for n in 0..3 {
///         writeln!(w, "{n}")?;
///     }
///     Ok(())
/// });
/// let mut text = String::new();
/// std::io::Read::read_to_string(&mut chunks.into_reader(), &mut text)?;
/// assert_eq!(text, "0\n1\n2\n");
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
///
/// If the system refuses a thread, that is the first item of the chunks, or the error of the first write into a feed.
///
/// # When to use something else
///
/// A thread costs memory, and each wake-up of a sleeping one several microseconds. For a program that only computes and
/// writes, [`Local`](crate::Local) needs neither.
#[derive(Debug, Clone)]
pub struct Thread {
    options: Options,
}

impl Thread {
    /// An engine with the default options.
    pub const fn new() -> Thread {
        Thread { options: Options::new() }
    }

    engine_options!();
    queue_options!();

    /// Push code: `program` writes, you pull.
    pub fn pull<P>(&self, program: P) -> Chunks
    where
        P: FnOnce(&mut Writer) -> io::Result<()> + Send + 'static,
    {
        bridge::pull(Launcher::Thread, &self.options, program)
    }

    /// Pull code: `program` reads, you push.
    pub fn push<T, P>(&self, program: P) -> Feed<T>
    where
        T: Send + 'static,
        P: FnOnce(&mut Reader) -> io::Result<T> + Send + 'static,
    {
        bridge::push(Launcher::Thread, &self.options, program)
    }

    /// Code that reads and writes: you choose where from and where to.
    pub fn filter<P>(&self, program: P) -> Filter
    where
        P: FnOnce(&mut Reader, &mut Writer) -> io::Result<()> + Send + 'static,
    {
        Filter::new(Launcher::Thread, &self.options, Box::new(program))
    }
}

impl Default for Thread {
    fn default() -> Thread {
        Thread::new()
    }
}
