//! The push end of a program that reads, elsewhere.

use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Channel, Job, Writer};
#[cfg(any(feature = "http", feature = "stream"))]
use crate::adapt::pump::Pump;
#[cfg(any(feature = "http", feature = "stream"))]
use crate::adapt::source::Source;
use crate::ended::{Ledger, Outcome};
use crate::error::uninterrupted;
use crate::error::{Echo, Error};
use crate::options::Options;
use crate::runtime::contained::contained;
use crate::runtime::{wait, waker};
use crate::stats::Stats;

/// The push end of a program that reads: what is written here is what it reads.
///
/// The program starts at the first write, or at [`finish`](Feed::finish), and reads while you write. A write waits while
/// the program has as many bytes still to read as the capacity.
///
/// Dropping a feed, or [`abort`](Feed::abort), makes the program's read fail once it has read everything; neither waits
/// for the program. A feed that is dropped before its program started runs nothing of it. If the program's value is not taken
/// by `finish`, a panic of its destructor ends there.
///
/// ```
/// use std::io::{BufRead, Write};
///
/// let mut lines = pushpull::Thread::new().push(|r| Ok(r.lines().count()));
/// lines.write_all(b"one\ntwo\n")?;
/// lines.write_all(b"three\n")?;
/// assert_eq!(lines.finish()?, 3);
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
///
/// When the program has ended early, a write fails with an error of the kind that the program failed with, or with
/// `BrokenPipe` if it returned `Ok`. [`finish`](Feed::finish) has the value, or the original error.
pub struct Feed<T> {
    writer: Writer,
    channel: Arc<Channel>,
    /// Until the first write. The lock is never contended: it makes the feed `Sync`, which a closure need not be.
    start: Mutex<Option<Box<dyn Job>>>,
    verdict: Arc<Verdict<T>>,
}

/// What became of a program that reads.
pub(crate) struct Verdict<T>(Mutex<Told<T>>);

struct Told<T> {
    ledger: Ledger,
    /// The host went first.
    left: bool,
    result: Option<io::Result<T>>,
    /// The host is gone, and takes no result.
    abandoned: bool,
    /// What writes are told once it has ended.
    echo: Option<Option<Echo>>,
    host: Option<Waker>,
}

impl<T> Verdict<T> {
    pub(crate) fn new(ledger: Ledger) -> Verdict<T> {
        Verdict(Mutex::new(Told { ledger, left: false, result: None, abandoned: false, echo: None, host: None }))
    }

    /// The program starts.
    fn begin(&self, channel: &Channel) {
        let mut told = self.0.lock();
        told.ledger.begin();
        channel.program.start(&told.ledger);
    }

    /// The host goes, and has not said that its input is complete, or why not.
    fn leave(&self) {
        self.0.lock().left = true;
    }

    /// The program has ended, or could not be started.
    pub(crate) fn tell(&self, result: io::Result<T>, channel: &Channel) {
        if channel.program.is_left_behind() {
            return;
        }
        let mut told = self.0.lock();
        let mut ledger = mem::take(&mut told.ledger);
        let left = told.left;
        drop(told);
        let error = result.as_ref().err();
        let outcome = if left { Outcome::Disconnected } else { Outcome::of(error) };
        ledger.close(outcome, error, || channel.stats());
        let echo = error.map(Echo::of);
        let mut told = self.0.lock();
        told.echo = Some(echo);
        let unwanted = if told.abandoned { Some(result) } else { told.result.replace(result) };
        let host = told.host.take();
        drop(told);
        waker::wake(host);
        contained(|| drop(unwanted));
    }

    /// The host is gone: a result that it did not take is dropped here, or where the program ends. What its destructor does is
    /// not the host's concern.
    fn abandon(&self) {
        let mut told = self.0.lock();
        told.abandoned = true;
        let unwanted = told.result.take();
        drop(told);
        contained(|| drop(unwanted));
    }

    fn poll(&self, context: &Context<'_>) -> Poll<io::Result<T>> {
        let mut told = self.0.lock();
        match told.result.take() {
            Some(result) => Poll::Ready(result),
            None => waker::wait(told, |told| &mut told.host, context),
        }
    }

    /// The error of a program that failed, or else this one.
    fn reason(&self, error: io::Error) -> io::Error {
        match &self.0.lock().echo {
            Some(Some(echo)) => echo.error(),
            _ => error,
        }
    }
}

impl<T> Feed<T> {
    pub(crate) fn new(
        channel: Arc<Channel>,
        options: &Options,
        verdict: Arc<Verdict<T>>,
        start: Box<dyn Job>,
    ) -> Feed<T> {
        Feed { writer: Writer::bare(channel.clone(), options), channel, start: Mutex::new(Some(start)), verdict }
    }

    /// Hands the program a chunk without a copy. What was written before it goes first.
    ///
    /// # Errors
    ///
    /// As for every write: see [`Feed`].
    pub fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        self.begin();
        self.writer.write_bytes(bytes).map_err(|error| self.reason(error))
    }

    /// Whether the program has ended: nobody reads what is written any more.
    pub fn is_closed(&self) -> bool {
        self.writer.is_closed()
    }

    /// What has happened so far: bytes and chunks are those that the program has read.
    pub fn stats(&self) -> Stats {
        self.channel.stats()
    }

    /// Ends the program's input with an error, which is what its read then gives. Does not wait.
    pub fn abort(mut self, error: io::Error) {
        self.writer.close(Err(uninterrupted(error)));
    }

    /// Ends the program's input, and waits for what it makes of it. The program itself, which may have been given the feed,
    /// would wait for ever.
    ///
    /// # Errors
    ///
    /// The error that the program returned, or its panic.
    pub fn finish(mut self) -> io::Result<T> {
        self.begin();
        self.writer.close(Ok(()));
        wait::until(|context| self.poll_result(context)).unwrap_or_else(|_| Err(Error::disconnected()))
    }

    /// Moves what the pump has to the program. Ready with what that makes of it.
    #[cfg(any(feature = "http", feature = "stream"))]
    pub(crate) fn poll_fed(&mut self, pump: &mut Pump<impl Source>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.begin();
        // The program has the last word, also when it has been given everything.
        let _ = pump.poll(&mut self.writer, context);
        self.poll_result(context)
    }

    /// What the program has made of it. In a child that was forked from its process it makes nothing.
    fn poll_result(&self, context: &Context<'_>) -> Poll<io::Result<T>> {
        match self.channel.program.is_left_behind() {
            true => Poll::Ready(Err(Error::disconnected())),
            false => self.verdict.poll(context),
        }
    }

    /// What a write is told that failed with `error`.
    fn reason(&self, error: io::Error) -> io::Error {
        if self.channel.program.is_left_behind() { error } else { self.verdict.reason(error) }
    }

    fn begin(&mut self) {
        if let Some(start) = self.start.get_mut().take() {
            self.launch(start);
        }
    }

    fn launch(&self, start: Box<dyn Job>) {
        self.verdict.begin(&self.channel);
        if let Err(error) = start.launch() {
            self.verdict.tell(Err(error), &self.channel);
            self.channel.leave();
        }
    }
}

impl<T> Write for Feed<T> {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.begin();
        self.writer.write(buf).map_err(|error| self.reason(error))
    }

    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.begin();
        self.writer.write_vectored(bufs).map_err(|error| self.reason(error))
    }

    /// Ends the chunk here. The program can read what was written without it too; this is a boundary.
    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().map_err(|error| self.reason(error))
    }
}

impl<T> Drop for Feed<T> {
    fn drop(&mut self) {
        if !self.writer.is_closed() && !self.channel.program.is_left_behind() {
            self.verdict.leave();
        }
        self.writer.close(Err(Error::truncated()));
        self.channel.program.stop();
        self.verdict.abandon();
    }
}

impl<T> fmt::Debug for Feed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}
