//! The push end of a local program that reads.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;
#[cfg(any(feature = "http", feature = "stream"))]
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::bridge::{Bridge, ENGINE};
use super::exchange::Given;
#[cfg(any(feature = "http", feature = "stream"))]
use crate::adapt::source::{Source, Supply};
use crate::buf::chunker::{Cut, Pending};
use crate::ended::{Ledger, Outcome};
use crate::error::{Echo, Error};
use crate::options::Options;
use crate::runtime::wait;
use crate::stats::Stats;

/// How much of a large write is copied for the program at a time.
const MAX_COPIED: usize = 256 * 1024;

/// The push end of a program on [`Local`](crate::Local) that reads: what is written here is what it reads.
///
/// The program runs inside the call that completes a chunk, until it wants more. It starts with the first of these, or
/// at [`finish`](Feed::finish). Dropping a feed, or [`abort`](Feed::abort), makes the program's read fail; a feed that
/// is dropped before its program started runs nothing of it.
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
/// When the program has ended early, a write fails with an error of the kind that the program failed with, or with
/// `BrokenPipe` if it returned `Ok`. [`finish`](Feed::finish) has the value, or the original error.
///
/// `WouldBlock` if the program writes into a sink that would block (see [`Filter::push_into`](super::Filter::push_into)).
/// The call has then accepted nothing, and can be made again.
pub struct Feed<T> {
    state: FeedStage<T>,
    pending: Pending,
    value: Slot<T>,
    /// The end of the input was given.
    ended: bool,
    bytes: u64,
    chunks: u64,
    ledger: Ledger,
}

/// Where the program leaves its result.
type Slot<T> = Rc<Cell<Option<io::Result<T>>>>;

enum FeedStage<T> {
    Running(Bridge),
    /// The program has ended; how, and what writes are told of it.
    Ended(io::Result<T>, Option<Echo>),
}

impl<T> Feed<T> {
    pub(super) fn new(options: &Options, bridge: io::Result<Bridge>, value: Slot<T>) -> Feed<T> {
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
            ledger: Ledger::open(ENGINE, options.name.as_ref(), options.hook()),
        }
    }

    /// Hands the program a chunk without a copy. What was written before it goes first.
    ///
    /// # Errors
    ///
    /// As for every write: see [`Feed`].
    pub fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        self.retry()?;
        self.give_pending()?;
        if bytes.is_empty() { Ok(()) } else { self.give(bytes) }
    }

    /// Whether the program has ended: nobody reads what is written any more.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, FeedStage::Ended(..))
    }

    /// What has happened so far: bytes and chunks are those that the program was given.
    pub fn stats(&self) -> Stats {
        Stats::unqueued(self.bytes, self.chunks)
    }

    /// Ends the program's input with an error, which is what its read then gives.
    pub fn abort(mut self, error: io::Error) {
        let _ = self.give_pending();
        self.end(error, Outcome::of);
    }

    /// Ends the program's input, and waits for what it makes of it. A sink that would block is asked again until it takes the
    /// rest.
    ///
    /// # Errors
    ///
    /// The error that the program returned, or its panic.
    pub fn finish(mut self) -> io::Result<T> {
        let mut waits = 0;
        loop {
            let result = self.try_finish();
            if !self.is_blocked() {
                return result;
            }
            wait::pause(waits)?;
            waits += 1;
        }
    }

    /// Ends the program's input, and returns what the program makes of it, without waiting for a sink that would block. What
    /// is written after it is not read.
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
    /// `WouldBlock` if the sink would block: nothing is lost, and the call can be made again. Otherwise as
    /// [`finish`](Feed::finish).
    pub fn try_finish(&mut self) -> io::Result<T> {
        self.ledger.begin();
        if !std::mem::replace(&mut self.ended, true) {
            // Why a write fails is told below, by the program's own result.
            let _ = self.give_pending();
            if let FeedStage::Running(bridge) = &self.state {
                bridge.give(Given::End);
            }
            self.run();
        } else {
            self.retry()?;
        }
        if self.is_blocked() { Err(io::ErrorKind::WouldBlock.into()) } else { self.take_result() }
    }

    /// Runs the program on what the supply has. Ready with what it makes of it; where it waits, whatever for, it is
    /// suspended.
    #[cfg(any(feature = "http", feature = "stream"))]
    pub(crate) fn poll_fed(
        &mut self,
        supply: &mut Supply<impl Source>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        self.ledger.begin();
        while let FeedStage::Running(bridge) = &mut self.state {
            let given = match self.pending.take() {
                Some(chunk) => Some(Given::Chunk(chunk)),
                None if bridge.is_hungry() => Some(ready!(supply.poll(context)).map_or(Given::End, Given::from)),
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
                && !bridge.is_hungry()
            {
                if bridge.is_blocked() {
                    // No event says when the sink takes more: it is asked again in the task's next turn.
                    context.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
        }
        Poll::Ready(self.take_result())
    }

    /// Ends the program, if it runs, which is told of `error`; `outcome` says what is told of its own end.
    fn end(&mut self, error: io::Error, outcome: impl FnOnce(Option<&io::Error>) -> Outcome) {
        if let FeedStage::Running(bridge) = self.take_state() {
            bridge.give(Given::Error(error));
            drop(bridge);
            let result = self.value.take();
            let error = result.as_ref().and_then(|result| result.as_ref().err());
            self.tell(outcome(error), error);
        }
    }

    /// Lets the program read `bytes`: at once, or when its sink takes what it has written.
    fn give(&mut self, bytes: Bytes) -> io::Result<()> {
        match &self.state {
            FeedStage::Running(bridge) => {
                self.bytes += bytes.len() as u64;
                self.chunks += 1;
                self.ledger.begin();
                bridge.give(Given::Chunk(bytes));
                if !bridge.is_blocked() {
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

    /// Accepts all of `buf`. Behind a sink that would block the rest of a large write waits as one chunk.
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
                    let part = if self.is_blocked() { buf.len() } else { buf.len().min(MAX_COPIED) };
                    self.give(Bytes::copy_from_slice(&buf[..part]))?;
                    buf = &buf[part..];
                }
            }
        }
        Ok(())
    }

    /// The program's sink would block.
    fn is_blocked(&self) -> bool {
        matches!(&self.state, FeedStage::Running(bridge) if bridge.is_blocked())
    }

    /// Lets a program whose sink would block ask it again.
    fn retry(&mut self) -> io::Result<()> {
        if self.is_blocked() {
            self.run();
        }
        if self.is_blocked() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }

    fn run(&mut self) {
        if let FeedStage::Running(bridge) = &mut self.state {
            bridge.resume(None);
            self.settle();
        }
    }

    /// Notices that the program has ended.
    fn settle(&mut self) {
        let FeedStage::Running(bridge) = &self.state else { return };
        if bridge.is_done() {
            let result = self.value.take().unwrap_or_else(|| Err(Error::disconnected()));
            self.tell(Outcome::of(result.as_ref().err()), result.as_ref().err());
            self.state = FeedStage::ended(result);
            self.pending.close();
        }
    }

    fn take_result(&mut self) -> io::Result<T> {
        match self.take_state() {
            FeedStage::Ended(result, _) => {
                // Untold yet if it could not be started.
                self.tell(Outcome::of(result.as_ref().err()), result.as_ref().err());
                result
            }
            FeedStage::Running(_) => Err(Error::disconnected()),
        }
    }

    /// The bridge has ended; whoever asked for that is told, the first time.
    fn tell(&mut self, outcome: Outcome, error: Option<&io::Error>) {
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

    /// Lets the program read what was written.
    fn flush(&mut self) -> io::Result<()> {
        self.retry()?;
        self.give_pending()?;
        if self.is_blocked() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
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
