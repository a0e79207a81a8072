//! The writing end of a bridge whose program reads.

use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Channel, Unstarted, Writer};
use crate::ended::{Ledger, Outcome};
use crate::error::uninterrupted;
use crate::error::{Echo, Error};
use crate::options::Options;
use crate::runtime::contained::contained;
use crate::runtime::{wait, waker};
use crate::stats::Stats;

/// The writing end of a bridge whose program reads.
///
/// The program starts at the first write or at [`finish`](Feed::finish), and reads while the caller writes. A write
/// blocks while the unread bytes fill the capacity.
///
/// If the feed is dropped or [aborted](Feed::abort), the program reads all written bytes, then its read fails. Neither
/// call waits for the program. If the feed is dropped before the program starts, the program never runs.
///
/// If `finish` does not take the program's value, a panic in the value's destructor is discarded.
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
/// If the program has failed early, a write returns an error of the same kind. If the program has returned `Ok`, a
/// write returns `BrokenPipe`. [`finish`](Feed::finish) returns the value or the original error.
pub struct Feed<T> {
    writer: Writer,
    channel: Arc<Channel>,
    /// `None` after the first write. The lock is never contended: it makes the feed `Sync`, which the closure need not
    /// be.
    start: Mutex<Option<Box<dyn Unstarted>>>,
    verdict: Arc<Verdict<T>>,
}

/// The result of a program that reads, shared with its feed.
pub(crate) struct Verdict<T>(Mutex<Told<T>>);

struct Told<T> {
    ledger: Ledger,
    /// Whether the feed was dropped before its input had ended.
    left: bool,
    result: Option<io::Result<T>>,
    /// Whether the feed is gone, and takes no result.
    abandoned: bool,
    /// Set when the program has ended: its error, which later writes return, or `None` for `Ok`.
    echo: Option<Option<Echo>>,
    host: Option<Waker>,
}

impl<T> Verdict<T> {
    pub(crate) fn new(ledger: Ledger) -> Verdict<T> {
        Verdict(Mutex::new(Told { ledger, left: false, result: None, abandoned: false, echo: None, host: None }))
    }

    fn begin(&self, channel: &Channel) {
        let mut told = self.0.lock();
        told.ledger.begin();
        channel.program.start(&told.ledger);
    }

    /// Records that the feed is dropped before its input has ended.
    fn leave(&self) {
        self.0.lock().left = true;
    }

    /// Stores the result of a program that has ended or could not start, and wakes the feed.
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

    /// Records that the feed is gone. A result that it did not take is dropped here, or where the program ends. A panic
    /// in the result's destructor is discarded.
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

    /// Returns the program's error if the program failed, otherwise `error`.
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
        start: Box<dyn Unstarted>,
    ) -> Feed<T> {
        Feed { writer: Writer::bare(channel.clone(), options), channel, start: Mutex::new(Some(start)), verdict }
    }

    /// Writes a chunk without a copy, after everything written before.
    ///
    /// # Errors
    ///
    /// Returns the errors of every write: see [`Feed`].
    pub fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        self.begin();
        self.writer.write_bytes(bytes).map_err(|error| self.reason(error))
    }

    /// Returns `true` if the program has ended, and reads no more.
    pub fn is_closed(&self) -> bool {
        self.writer.is_closed()
    }

    /// Returns the counts of this bridge so far; bytes and chunks are those that the program has read.
    pub fn stats(&self) -> Stats {
        self.channel.stats()
    }

    /// Ends the program's input with `error`, which the program's read then returns. Does not wait for the program.
    pub fn abort(mut self, error: io::Error) {
        self.writer.close(Err(uninterrupted(error)));
    }

    /// Ends the program's input, waits for the program to return, and returns its value.
    ///
    /// # Errors
    ///
    /// Returns the error that the program returned, or its panic.
    ///
    /// # Caveats
    ///
    /// If the program itself calls `finish` on its own feed, the call waits forever.
    pub fn finish(mut self) -> io::Result<T> {
        self.begin();
        self.writer.close(Ok(()));
        wait::until(|context| self.poll_result(context)).unwrap_or_else(|_| Err(Error::disconnected()))
    }

    /// Lets `feed` write what there is for the program, and polls for the program's result.
    #[cfg(any(feature = "http", feature = "stream"))]
    pub(crate) fn poll_fed(
        &mut self,
        feed: impl FnOnce(&mut Writer, &mut Context<'_>),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        self.begin();
        // The program's result decides, even after all input has been written.
        feed(&mut self.writer, context);
        self.poll_result(context)
    }

    /// Polls for the program's result. In a forked child there is none, since the program stays with the parent.
    fn poll_result(&self, context: &Context<'_>) -> Poll<io::Result<T>> {
        match self.channel.program.is_left_behind() {
            true => Poll::Ready(Err(Error::disconnected())),
            false => self.verdict.poll(context),
        }
    }

    /// Returns the error for a write that failed with `error`.
    fn reason(&self, error: io::Error) -> io::Error {
        if self.channel.program.is_left_behind() { error } else { self.verdict.reason(error) }
    }

    fn begin(&mut self) {
        if let Some(start) = self.start.get_mut().take() {
            self.launch(start);
        }
    }

    fn launch(&self, start: Box<dyn Unstarted>) {
        self.verdict.begin(&self.channel);
        if let Err(error) = start.launch(self.channel.clone()) {
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

    /// Ends the current chunk. The program can read bytes without a flush; a flush only sets a chunk boundary.
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
