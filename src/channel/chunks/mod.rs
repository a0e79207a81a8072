//! The reading end of a channel.

#[cfg(any(feature = "http", feature = "stream"))]
mod polled;

use std::fmt;
use std::hint;
use std::io;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

#[cfg(any(feature = "http", feature = "stream"))]
use self::polled::PulledByTask;
use super::ahead::Ahead;
use super::{Blocked, Channel, Head, Reader, Taken, Unstarted};
use crate::ended::{Ledger, Outcome};
use crate::error::{Echo, Error};
use crate::runtime::contained::contained;
use crate::runtime::coroutine;
use crate::runtime::coroutine::Refused;
use crate::runtime::courtesy::{self, Courtesy};
use crate::runtime::wait;
use crate::stats::Stats;

/// The number of looks before the reader takes an incomplete chunk: a microsecond or so, in which a writer at full
/// speed completes its chunk. Taking at once costs three to seven times as much per byte.
const LOOKS: u32 = 80;

/// The maximum number of looks, for a writer at full speed that has not completed its chunk after `LOOKS`. A reader
/// close behind the writer slows it down: the reader's core prefetches what the writer is about to write.
const MAX_LOOKS: u32 = 4 * LOOKS;

/// The number of looks between two offers of the processor to the writer.
const LOOKS_BETWEEN: u32 = 20;

/// A writer is at full speed if this many bytes have arrived while the reader looked.
const FLOW: usize = 512;

/// The number of rounds of looks before the reader sleeps. Falling asleep and being woken costs more than these rounds.
const ROUNDS: u32 = if cfg!(pushpull_loom) { 0 } else { 4 };

/// Moves the chunks of a polled source to the program's input. Ready when all have been moved.
pub(crate) type Feeder = Box<dyn FnMut(&mut Context<'_>) -> Poll<()> + Send>;

/// The reading end of a bridge: an iterator over what a program writes.
///
/// The program starts at the first pull. A pull takes a full chunk if there is one. Otherwise it waits for about a
/// microsecond, then takes any written bytes, flushed or not. If there are none, the pull blocks.
///
/// If the program fails or panics, its error is the last item, after all bytes that were written before the error.
///
/// Dropping the chunks does not wait for the program. The program's next read, write or wait returns an error, and
/// [`is_closed`](crate::Writer::is_closed) returns `true`. To wait until the program is gone, use
/// [`join`](Chunks::join).
///
/// A chunk keeps the memory in which it was written, up to a whole chunk size. Copy bytes that you keep for long.
pub struct Chunks {
    channel: Arc<Channel>,
    ahead: Ahead,
    /// `None` after the first pull. The lock is never contended: it makes the chunks `Sync`, which the closure need not
    /// be.
    start: Mutex<Option<Box<dyn Unstarted>>>,
    /// Whether dropping these chunks stops the channel's program.
    hosts: bool,
    /// Polled at each pull. Locked for the same reason as `start`.
    feeder: Option<Mutex<Feeder>>,
    /// How the bridge ended, after the reader has seen the end.
    end: Option<Result<(), Echo>>,
    /// The number of looks before the reader takes an incomplete chunk.
    looks: u32,
    ledger: Ledger,
    #[cfg(any(feature = "http", feature = "stream"))]
    polled: PulledByTask,
}

impl Chunks {
    pub(crate) fn new(channel: Arc<Channel>) -> Chunks {
        Chunks::with(channel, Ledger::default(), None)
    }

    pub(crate) fn of_program(channel: Arc<Channel>, ledger: Ledger, start: Box<dyn Unstarted>) -> Chunks {
        Chunks::with(channel, ledger, Some(start))
    }

    fn with(channel: Arc<Channel>, ledger: Ledger, start: Option<Box<dyn Unstarted>>) -> Chunks {
        Chunks {
            channel,
            hosts: start.is_some(),
            ahead: Ahead::new(),
            start: Mutex::new(start),
            feeder: None,
            end: None,
            looks: LOOKS,
            ledger,
            #[cfg(any(feature = "http", feature = "stream"))]
            polled: PulledByTask::default(),
        }
    }

    /// Returns the next chunk, or an error if none arrives within `timeout`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pushpull::Error;
    ///
    /// let (_writer, mut chunks) = pushpull::pipe(1024);
    /// let error = chunks.next_timeout(Duration::from_millis(1)).unwrap().unwrap_err();
    /// assert!(Error::of(&error).is_some_and(Error::is_timed_out));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns `TimedOut` (see [`Error::is_timed_out`](crate::Error::is_timed_out)) if nothing arrives in time; the
    /// chunks are unchanged. The other errors are those of the iterator's items.
    ///
    /// # Caveats
    ///
    /// If an asynchronous executor polls the calling program, waiting suspends, and no clock wakes the program. Then
    /// the call waits until something arrives. The workers of a [`Pool`](crate::Pool) have a clock.
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<io::Result<Bytes>> {
        if self.end.is_some() {
            return None;
        }
        self.begin();
        let taken = match self.take_soon() {
            Some(taken) => Ok(Some(taken)),
            // A timeout too long for `Instant` is no limit.
            None => match Instant::now().checked_add(timeout) {
                None => wait::until(|context| self.poll_take(context)).map(Some),
                deadline => wait::until_deadline(deadline, |context| self.poll_take(context)),
            },
        };
        match taken {
            Ok(Some(taken)) => self.settle_wait(Ok(taken)),
            Ok(None) => Some(Err(Error::timed_out())),
            Err(refused) => self.settle(Err(refused)),
        }
    }

    /// Waits until the first complete chunk or the end is available, without pulling it. Starts the program if needed.
    /// Await the future, or call [`wait`](Head::wait).
    ///
    /// If a response fits into its first chunk, it has ended by then. Its body then knows its exact length, which
    /// servers send as `Content-Length`. If the program fails before its first byte, the server can still send another
    /// response.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// let mut chunks = pushpull::Thread::new().pull(|w| w.write_all(b"hello"));
    /// chunks.head().wait()?;
    /// assert_eq!(http_body::Body::size_hint(&chunks.into_body()).exact(), Some(5));
    ///
    /// let mut chunks = pushpull::Thread::new().pull(|_| Err(std::io::ErrorKind::NotFound.into()));
    /// assert_eq!(chunks.head().wait().unwrap_err().kind(), std::io::ErrorKind::NotFound);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the program's error or panic if no written bytes are left before it. The error is reported only once:
    /// the chunks have then ended. If bytes are left, the chunks yield them before the error.
    ///
    /// # Caveats
    ///
    /// A chunk is complete when more than the [`chunk_size`](crate::Thread::chunk_size) has been written, and at a
    /// flush. It is also complete when the program is blocked or waits for another bridge. If a program writes less,
    /// and waits for anything else without a flush, the future stays pending.
    pub fn head(&mut self) -> Head<'_> {
        Head::new(self)
    }

    /// Waits until the program begins to wait for anything, without pulling. Starts the program if needed. Await the
    /// future, or call [`wait`](Blocked::wait).
    ///
    /// A waiting program has written all that it can for now. A server that holds back the head of a response sends it
    /// then.
    ///
    /// ```
    /// use std::io::{Read, Write};
    ///
    /// let (mut answer, question) = pushpull::pipe(16);
    /// let mut chunks = pushpull::Thread::new().pull(move |w| {
    ///     w.write_all(b"asked; ")?;
    ///     std::io::copy(&mut question.into_reader(), w).map(drop)
    /// });
    /// assert_eq!(chunks.blocked().wait()?, 1);
    /// answer.write_all(b"answered")?;
    /// answer.finish()?;
    /// let mut text = String::new();
    /// chunks.into_reader().read_to_string(&mut text)?;
    /// assert_eq!(text, "asked; answered");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Caveats
    ///
    /// If the program ends without a wait, the future stays pending. Poll it beside [`head`](Chunks::head), or pull.
    pub fn blocked(&mut self) -> Blocked<'_> {
        Blocked::new(self)
    }

    /// Drops the chunks, and waits until the program and all that it owned are gone. A program that never started does
    /// not run.
    ///
    /// ```
    /// use std::io::Write;
    /// use std::sync::Arc;
    ///
    /// let held = Arc::new(());
    /// let own = held.clone();
    /// let mut chunks = pushpull::Thread::new().pull(move |w| loop {
    ///     let _own = &own;
    ///     w.write_all(b"again and again")?;
    /// });
    /// chunks.next();
    /// chunks.join();
    /// assert_eq!(Arc::strong_count(&held), 1);
    /// ```
    pub fn join(mut self) {
        let started = self.start.get_mut().is_none();
        let channel = (self.hosts && started).then(|| self.channel.clone());
        drop(self);
        if let Some(channel) = channel {
            // The wait is refused if the caller is itself a program that must stop. Then it needs no result.
            let _ = wait::until(|context| channel.program.poll_gone(context));
        }
    }

    /// Returns a [`Read`](io::Read) and [`BufRead`](io::BufRead) over the same bytes. If the chunks have already
    /// reported their error, each read fails with the same kind.
    ///
    /// ```
    /// use std::io::{BufRead, Write};
    ///
    /// let chunks = pushpull::Thread::new().pull(|w| w.write_all(b"push\npull\n"));
    /// let lines: Vec<_> = chunks.into_reader().lines().collect::<Result<_, _>>()?;
    /// assert_eq!(lines, ["push", "pull"]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_reader(self) -> Reader {
        let failed = self.end.clone().and_then(Result::err);
        Reader::of_chunks(self, failed)
    }

    /// Returns the counts of this bridge so far.
    pub fn stats(&self) -> Stats {
        self.channel.stats()
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    pub(super) fn begin(&mut self) {
        if let Some(start) = self.start.get_mut().take() {
            self.launch(start);
        }
    }

    fn launch(&mut self, start: Box<dyn Unstarted>) {
        self.ledger.begin();
        self.channel.program.start(&self.ledger);
        if let Err(error) = start.launch(self.channel.clone()) {
            self.hosts = false;
            self.channel.end(Err(error));
        }
    }

    /// Moves the program's input on. Called before each wait for these chunks, since nothing else polls the source.
    pub(super) fn feed(&mut self, context: &Context<'_>) {
        // A feeder that panics is not put back: the program then reads a truncated input, and never a clean end.
        if let Some(mut feeder) = self.feeder.take()
            && feeder.get_mut()(&mut Context::from_waker(context.waker())).is_pending()
        {
            self.feeder = Some(feeder);
        }
    }

    /// Moves the program's input on, then takes what the program has written.
    fn poll_take(&mut self, context: &Context<'_>) -> Poll<Taken> {
        self.feed(context);
        self.channel.poll_take(&mut self.ahead, context)
    }

    fn next_of_queue(&mut self) -> Option<io::Result<Bytes>> {
        if self.end.is_some() {
            return None;
        }
        self.begin();
        let taken = match self.take_soon() {
            Some(taken) => Ok(taken),
            None => wait::until(|context| self.poll_take(context)),
        };
        self.settle_wait(taken)
    }

    /// Takes a full chunk if there is one. Otherwise gives a writer at full speed the time to complete its chunk, then
    /// takes any written bytes. Returns `None` if nothing arrives for several times as long. Where waiting suspends,
    /// returns `None` at once: the writer may be the next to run on this thread.
    fn take_soon(&mut self) -> Option<Taken> {
        if self.feeder.is_some() || coroutine::is_polled() {
            return None;
        }
        let full = self.channel.take_queued(&mut self.ahead);
        if full.is_some() || ROUNDS == 0 {
            return full;
        }
        let mut courtesy = Courtesy::begin();
        let taken = (0..ROUNDS).find_map(|round| {
            if round > 0 && !courtesy.gives() {
                return None;
            }
            self.back_off(&mut courtesy);
            self.take_written()
        });
        if taken.is_some() {
            courtesy::found();
        }
        self.looks = match &taken {
            Some(Taken::Chunk(chunk)) if chunk.len() >= FLOW => (2 * self.looks).min(MAX_LOOKS),
            _ => LOOKS,
        };
        taken
    }

    pub(super) fn take_written(&mut self) -> Option<Taken> {
        self.channel.take_written(&mut self.ahead)
    }

    fn back_off(&self, courtesy: &mut Courtesy) {
        for look in 0..self.looks {
            // If both sides share a processor, the writer waits for it, and may not get it at the first offer.
            if look % LOOKS_BETWEEN == 0 {
                courtesy.give_way();
            }
            if look >= LOOKS && !courtesy.gives() {
                break;
            }
            if self.channel.queued() > 0 {
                break;
            }
            hint::spin_loop();
        }
    }

    fn settle_wait(&mut self, taken: Result<Taken, Refused>) -> Option<io::Result<Bytes>> {
        if let Ok(Taken::Chunk(chunk)) = &taken {
            wait::count(chunk.len());
        }
        self.settle(taken)
    }

    pub(super) fn settle(&mut self, taken: Result<Taken, Refused>) -> Option<io::Result<Bytes>> {
        match taken {
            Ok(Taken::Chunk(chunk)) => Some(Ok(chunk)),
            Ok(Taken::End(error)) => self.close(error),
            Err(Refused) => {
                self.leave();
                let error = Error::disconnected();
                self.end = Some(Err(Echo::of(&error)));
                Some(Err(error))
            }
        }
    }

    /// Ends the chunks, and returns the error as the last item.
    fn close(&mut self, error: Option<io::Error>) -> Option<io::Result<Bytes>> {
        self.end = Some(error.as_ref().map_or(Ok(()), |error| Err(Echo::of(error))));
        self.feeder = None;
        self.tell(Outcome::of(error.as_ref()), error.as_ref());
        error.map(Err)
    }

    fn leave(&mut self) {
        let untold = self.channel.leave();
        let ahead = mem::take(&mut self.ahead);
        contained(|| drop(ahead));
        if self.hosts {
            self.channel.program.stop();
        }
        match untold {
            Some(end) => {
                self.tell(Outcome::of(end.as_ref().err()), end.as_ref().err());
                // The end may own a panic's payload, whose destructor may panic.
                contained(|| drop(end));
            }
            None => self.tell(Outcome::Disconnected, None),
        }
    }

    /// Reports the end of the bridge, the first time.
    fn tell(&mut self, outcome: Outcome, error: Option<&io::Error>) {
        let channel = &self.channel;
        self.ledger.close(outcome, error, || channel.stats());
    }
}

impl Iterator for Chunks {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        // Chunks taken ahead stay valid, however the bridge has ended since.
        if self.feeder.is_none()
            && let Some(chunk) = self.channel.take_ahead(&mut self.ahead)
        {
            wait::count(chunk.len());
            return Some(Ok(chunk));
        }
        self.next_of_queue()
    }

    /// Returns the number of queued chunks as the minimum, or 1 if only bytes of an incomplete chunk are available. If
    /// the minimum is 0, the next pull waits or returns the end.
    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.end.is_some() {
            return (0, Some(0));
        }
        match self.ahead.len() + self.channel.queued() {
            0 => (usize::from(self.channel.in_flight() > 0), None),
            queued => (queued, None),
        }
    }
}

impl std::iter::FusedIterator for Chunks {}

impl Drop for Chunks {
    fn drop(&mut self) {
        // If no other side has the channel, none waits. Chunks that never began, or were pulled to the end, own nothing
        // more.
        let owns = self.end.is_none() && self.start.get_mut().is_none();
        if owns || Arc::strong_count(&self.channel) > 1 || !self.ledger.is_empty() {
            self.leave();
        }
    }
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunks").field("over", &self.end.is_some()).finish_non_exhaustive()
    }
}
