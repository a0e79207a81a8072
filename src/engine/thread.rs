//! The engine that runs each program on a thread.

use std::io;

use super::Filter;
use super::launch::{self, Launcher};
use crate::channel::{Chunks, Feed, Reader, Writer};
use crate::options::{Options, engine_options, queue_options};

/// An engine that runs each program on an operating-system thread of its own, behind a bounded channel.
///
/// The program runs ahead of the reader, up to the [`capacity`](Thread::capacity). After its program has ended, a
/// thread waits for another one: see [Kept threads](#kept-threads).
///
/// # Examples
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
/// If the system refuses a thread, the first pull or write of the bridge returns the error.
///
/// # Kept threads
///
/// A thread with the default stack size is kept for ten seconds after its program (maximum: 16 waiting threads).
/// Starting a new thread costs many times more. The next program on the thread finds what the previous one changed:
///
/// * values in thread-locals
/// * the processor affinity, niceness, scheduling class and signal mask
/// * a sandbox that was entered
/// * an executor or a `tracing` subscriber that was set and not reset
///
/// Only the thread's name is set again. If your programs change such state, or must not see each other's, use
/// [`fresh_threads`](Thread::fresh_threads).
///
/// # Forked processes
///
/// In a child that was forked and continues without `exec`, as under a pre-forking server, programs run on threads of
/// the child. A bridge that was started before the fork stays with the parent: in the child its ends return
/// `BrokenPipe`, and dropping them does not wait. If a program itself forks, the bridge ignores the child: what the
/// child writes reaches no reader.
///
/// # When to use something else
///
/// A thread costs memory, and waking a sleeping thread costs several microseconds. For a program that only computes and
/// writes, [`Local`](crate::Local) avoids both.
#[derive(Debug, Clone)]
pub struct Thread {
    options: Options,
}

impl Thread {
    /// Creates an engine with the default options.
    pub const fn new() -> Thread {
        Thread { options: Options::new() }
    }

    engine_options!();
    queue_options!();

    /// Runs each program on a new thread, which ends with the program (default: threads are [kept](#kept-threads)).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::io::Write;
    /// use pushpull::Thread;
    ///
    /// thread_local!(static RUNS: Cell<u8> = const { Cell::new(0) });
    ///
    /// let engine = Thread::new().fresh_threads();
    /// for _ in 0..3 {
    ///     let mut chunks = engine.pull(|w| {
    ///         RUNS.set(RUNS.get() + 1);
    ///         w.write_all(&[RUNS.get()])
    ///     });
    ///     assert_eq!(chunks.next().unwrap()?, &[1][..]);
    ///     chunks.join();
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn fresh_threads(mut self) -> Self {
        self.options.fresh_threads = true;
        self
    }

    /// Returns the output of `program`, which writes, as chunks. The program starts at the first pull.
    pub fn pull<P>(&self, program: P) -> Chunks
    where
        P: FnOnce(&mut Writer) -> io::Result<()> + Send + 'static,
    {
        launch::pull(Launcher::Thread, &self.options, program)
    }

    /// Returns the feed that supplies the input of `program`, which reads. The program starts at the first write or at
    /// `finish`.
    pub fn push<T, P>(&self, program: P) -> Feed<T>
    where
        T: Send + 'static,
        P: FnOnce(&mut Reader) -> io::Result<T> + Send + 'static,
    {
        launch::push(Launcher::Thread, &self.options, program)
    }

    /// Returns a filter of `program`, which reads and writes, to be given a source or a sink.
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
