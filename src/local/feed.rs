//! The writer end of a program on the calling thread that reads.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;
#[cfg(any(feature = "http", feature = "stream"))]
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::bridge::{Bridge, ENGINE_NAME};
use super::exchange::Given;
use crate::buf::chunker::{Cut, Pending};
use crate::ended::{Ledger, Outcome};
use crate::error::{Echo, Error};
use crate::options::Options;
use crate::runtime::wait;
use crate::stats::Stats;

/// How much of a large write is copied for the program at a time.
const MAX_COPIED: usize = 256 * 1024;

/// The writer end of a program on [`Local`](crate::Local) that reads.
///
/// The program reads what is written here. It starts at the first complete chunk, or at [`finish`](Feed::finish). It
/// runs inside the call that completes a chunk, until it needs more input.
///
/// Dropping the feed, or calling [`abort`](Feed::abort), makes the program's read fail. If the program has not started
/// by then, nothing of it runs.
///
/// # Examples
///
/// ```
/// use std::io::{BufRead, Write};
///
/// let mut lines = pushpull::Local::new().push(|r| Ok(r.lines().count()));
/// lines.write_all(b"one\ntwo\n")?;
/// lines.write_all(b"three\n")?;
/// assert_eq!(lines.finish()?, 3);
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
///
/// If the program has failed early, a write returns an error of the same kind. If the program has returned `Ok`, a
/// write returns `BrokenPipe`. [`finish`](Feed::finish) returns the value, or the original error.
///
/// If the program's sink would block, a write returns `WouldBlock`: see
/// [`Filter::push_into`](super::Filter::push_into). The write has accepted nothing then, and can be repeated.
pub struct Feed<T> {
    state: FeedStage<T>,
    pending: Pending,
    value: ResultSlot<T>,
    /// The program's input has ended.
    ended: bool,
    bytes: u64,
    chunks: u64,
    ledger: Ledger,
}

type ResultSlot<T> = Rc<Cell<Option<io::Result<T>>>>;

enum FeedStage<T> {
    Running(Bridge),
    /// The result of an ended program, and the error that later writes return.
    Ended(io::Result<T>, Option<Echo>),
}

impl<T> Feed<T> {
    pub(super) fn new(options: &Options, bridge: io::Result<Bridge>, value: ResultSlot<T>) -> Feed<T> {
        Feed {
            state: match bridge {
                Ok(bridge) => FeedStage::Running(bridge),
                Err(error) => FeedStage::ended(Err(error)),
            },
            pending: Pending::new(options.unqueued_chunk_size(), options.unbuffered),
            value,
            ended: false,
            bytes: 0,
            chunks: 0,
            ledger: Ledger::open(ENGINE_NAME, options.name.as_ref(), options.hook()),
        }
    }

    /// Hands a chunk to the program without a copy, after the bytes written before it.
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as every write: see [`Feed`].
    pub fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        self.retry()?;
        self.give_pending()?;
        if bytes.is_empty() { Ok(()) } else { self.give(bytes) }
    }

    /// Returns `true` if the program has ended and reads no more.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, FeedStage::Ended(..))
    }

    /// Returns what the program has been given so far.
    pub fn stats(&self) -> Stats {
        Stats::unqueued(self.bytes, self.chunks)
    }

    /// Ends the program's input with an error, which the program's read returns.
    pub fn abort(mut self, error: io::Error) {
        let _ = self.give_pending();
        self.end(error, Outcome::of);
    }

    /// Ends the program's input, and returns the program's result. If the program's sink would block, waits and tries
    /// the sink again until it takes the rest.
    ///
    /// # Errors
    ///
    /// Returns the error that the program returned, or its panic.
    pub fn finish(mut self) -> io::Result<T> {
        let mut waits = 0;
        loop {
            let result = self.try_finish();
            if !self.sink_would_block() {
                return result;
            }
            wait::pause(waits)?;
            waits += 1;
        }
    }

    /// Ends the program's input, and returns the program's result without waiting for a sink that would block.
    ///
    /// The program does not read what is written later.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{self, ErrorKind, Write};
    /// # use std::{cell::RefCell, rc::Rc};
    /// # #[derive(Clone, Default)]
    /// # struct Socket(Rc<RefCell<(usize, Vec<u8>)>>);
    /// # impl Write for Socket {
    /// #     fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
    /// #         let (room, bytes) = &mut *self.0.borrow_mut();
    /// #         let len = buf.len().min(std::mem::take(room));
    /// #         bytes.extend_from_slice(&buf[..len]);
    /// #         if len > 0 { Ok(len) } else { Err(ErrorKind::WouldBlock.into()) }
    /// #     }
    /// #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
    /// # }
    ///
    /// # let socket = Socket::default();
    /// # let until_writable = || socket.0.borrow_mut().0 = 3;
    /// let filter = pushpull::Local::new().filter(|r, w| io::copy(r, w).map(drop));
    /// let mut feed = filter.push_into(socket.clone());
    /// feed.write_all(b"as it is")?;
    /// let socket = loop {
    ///     match feed.try_finish() {
    ///         Err(error) if error.kind() == ErrorKind::WouldBlock => until_writable(),
    ///         finished => break finished?,
    ///     }
    /// };
    /// # assert_eq!(socket.0.borrow().1, b"as it is");
    /// # io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns `WouldBlock` if the sink would block: nothing is lost, and the call can be repeated. Otherwise returns
    /// an error in the same cases as [`finish`](Feed::finish).
    pub fn try_finish(&mut self) -> io::Result<T> {
        self.ledger.begin();
        if !std::mem::replace(&mut self.ended, true) {
            // The program's own result, below, says why a write fails.
            let _ = self.give_pending();
            if let FeedStage::Running(bridge) = &self.state {
                bridge.give(Given::End);
            }
            self.run();
        } else {
            self.retry()?;
        }
        if self.sink_would_block() { Err(io::ErrorKind::WouldBlock.into()) } else { self.take_result() }
    }

    /// Runs the program on what `supply` returns, until its result is ready. Wherever the program waits, it is suspended.
    #[cfg(any(feature = "http", feature = "stream"))]
    pub(crate) fn poll_fed(
        &mut self,
        mut supply: impl FnMut(&mut Context<'_>) -> Poll<Option<io::Result<Bytes>>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        self.ledger.begin();
        while let FeedStage::Running(bridge) = &mut self.state {
            let given = match self.pending.take() {
                Some(chunk) => Some(Given::Chunk(chunk)),
                None if bridge.needs_input() => Some(ready!(supply(context)).map_or(Given::End, Given::from)),
                None => None,
            };
            if let Some(Given::Chunk(chunk)) = &given {
                self.bytes += chunk.len() as u64;
                self.chunks += 1;
            }
            given.into_iter().for_each(|given| bridge.give(given));
            bridge.resume(Some(context.waker()));
            self.settle();
            if let FeedStage::Running(bridge) = &self.state
                && !bridge.needs_input()
            {
                if bridge.sink_would_block() {
                    // No event says when the sink takes more: the task tries it again in its next turn.
                    context.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
        }
        Poll::Ready(self.take_result())
    }

    /// Ends a running program: its read returns `error`. `outcome` makes the reported outcome of the program's own
    /// error.
    fn end(&mut self, error: io::Error, outcome: impl FnOnce(Option<&io::Error>) -> Outcome) {
        if let FeedStage::Running(bridge) = self.take_state() {
            bridge.give(Given::Error(error));
            drop(bridge);
            let result = self.value.take();
            let error = result.as_ref().and_then(|result| result.as_ref().err());
            self.report_end(outcome(error), error);
        }
    }

    /// Lets the program read `bytes`, at once or when its sink takes more.
    fn give(&mut self, bytes: Bytes) -> io::Result<()> {
        match &self.state {
            FeedStage::Running(bridge) => {
                self.bytes += bytes.len() as u64;
                self.chunks += 1;
                self.ledger.begin();
                bridge.give(Given::Chunk(bytes));
                if !bridge.sink_would_block() {
                    self.run();
                }
                Ok(())
            }
            FeedStage::Ended(_, echo) => Err(echo.as_ref().map_or_else(Error::disconnected, Echo::error)),
        }
    }

    fn give_pending(&mut self) -> io::Result<()> {
        match self.pending.take() {
            Some(chunk) => self.give(chunk),
            None => Ok(()),
        }
    }

    /// Accepts all of `buf`. If the sink would block, the rest of a large write waits as one chunk.
    fn accept(&mut self, mut buf: &[u8]) -> io::Result<()> {
        match self.pending.cut(buf.len()) {
            _ if buf.is_empty() => {}
            Cut::Join => self.pending.append(buf),
            Cut::Complete(part) => {
                self.pending.append(&buf[..part]);
                self.give_pending()?;
                self.pending.append(&buf[part..]);
            }
            Cut::Whole => {
                self.give_pending()?;
                while !buf.is_empty() {
                    let part = if self.sink_would_block() { buf.len() } else { buf.len().min(MAX_COPIED) };
                    self.give(Bytes::copy_from_slice(&buf[..part]))?;
                    buf = &buf[part..];
                }
            }
        }
        Ok(())
    }

    fn sink_would_block(&self) -> bool {
        matches!(&self.state, FeedStage::Running(bridge) if bridge.sink_would_block())
    }

    /// Lets a program whose sink would block try the sink again.
    fn retry(&mut self) -> io::Result<()> {
        if self.sink_would_block() {
            self.run();
        }
        if self.sink_would_block() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }

    fn run(&mut self) {
        if let FeedStage::Running(bridge) = &mut self.state {
            bridge.resume(None);
            self.settle();
        }
    }

    /// Takes the result of a program that has ended.
    fn settle(&mut self) {
        let FeedStage::Running(bridge) = &self.state else { return };
        if bridge.is_done() {
            let result = self.value.take().unwrap_or_else(|| Err(Error::disconnected()));
            self.report_end(Outcome::of(result.as_ref().err()), result.as_ref().err());
            self.state = FeedStage::ended(result);
            self.pending.close();
        }
    }

    fn take_result(&mut self) -> io::Result<T> {
        match self.take_state() {
            FeedStage::Ended(result, _) => {
                // Not yet reported if the program could not be started.
                self.report_end(Outcome::of(result.as_ref().err()), result.as_ref().err());
                result
            }
            FeedStage::Running(_) => Err(Error::disconnected()),
        }
    }

    fn report_end(&mut self, outcome: Outcome, error: Option<&io::Error>) {
        self.ledger.close(outcome, error, || Stats::unqueued(self.bytes, self.chunks));
    }

    fn take_state(&mut self) -> FeedStage<T> {
        std::mem::replace(&mut self.state, FeedStage::Ended(Err(Error::disconnected()), None))
    }
}

impl<T> FeedStage<T> {
    fn ended(result: io::Result<T>) -> FeedStage<T> {
        let echo = result.as_ref().err().map(Echo::of);
        FeedStage::Ended(result, echo)
    }
}

impl<T> Write for Feed<T> {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if !self.pending.join(buf) {
            self.retry()?;
            self.accept(buf)?;
        }
        Ok(buf.len())
    }

    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.retry()?;
        bufs.iter().try_fold(0, |written, buf| self.accept(buf).map(|()| written + buf.len()))
    }

    /// Lets the program read everything written so far.
    fn flush(&mut self) -> io::Result<()> {
        self.retry()?;
        self.give_pending()?;
        if self.sink_would_block() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }
}

impl<T> Drop for Feed<T> {
    fn drop(&mut self) {
        let _ = self.give_pending();
        self.end(Error::truncated(), |_| Outcome::Disconnected);
    }
}

impl<T> fmt::Debug for Feed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}
