//! The pulling end of a channel.

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
use super::{Blocked, Channel, Head, Job, Reader, Taken};
use crate::ended::{Ledger, Outcome};
use crate::error::{Echo, Error};
use crate::runtime::contained::contained;
use crate::runtime::coroutine;
use crate::runtime::coroutine::Refused;
use crate::runtime::courtesy::{self, Courtesy};
use crate::runtime::wait;
use crate::stats::Stats;

/// How often a puller looks before it takes what is there: a microsecond or so, in which a writer in full flow completes
/// its chunk. Taking at once costs three to seven times as much a byte.
const LOOKS: u32 = 80;

/// How often at the most, behind a writer in full flow that has not completed its chunk in that time. A puller close on
/// its heels slows it down: the puller's core fetches ahead what the writer is about to write.
const MAX_LOOKS: u32 = 4 * LOOKS;

/// How often between two offers of the processor.
const LOOKS_BETWEEN: u32 = 20;

/// A writer is in full flow when so many bytes have come while the puller looked.
const FLOW: usize = 512;

/// How often it does so before it sleeps: falling asleep and being woken costs more than that.
const ROUNDS: u32 = if cfg!(pushpull_loom) { 0 } else { 4 };

/// Moves on what the program reads, where that comes from a source that has to be polled. Ready when it is all moved.
pub(crate) type Feeder = Box<dyn FnMut(&mut Context<'_>) -> Poll<()> + Send>;

/// What a program writes, chunk by chunk: the pulling end of a bridge.
///
/// The program starts at the first pull. A pull takes a full chunk if there is one; else it waits for about a
/// microsecond, and then takes whatever has been written, flushed or not; else it waits until there is something. The
/// program's error, or its panic, comes as the last item, once, after every byte that was written before it.
///
/// Dropping the chunks does not wait: the program is told at its next read, write or wait, or by
/// [`is_closed`](crate::Writer::is_closed). To wait until it is gone, use [`join`](Chunks::join).
///
/// A chunk keeps the memory that it was written in, which may be a chunk size; copy what you want to keep for long.
pub struct Chunks {
    channel: Arc<Channel>,
    ahead: Ahead,
    /// Until the first pull. The lock is never contended: it makes the chunks `Sync`, which a closure need not be.
    start: Mutex<Option<Box<dyn Job>>>,
    /// Whether this is the host of the channel's program.
    hosts: bool,
    /// Polled by whoever pulls. Its lock is as that of `start`.
    feeder: Option<Mutex<Feeder>>,
    /// How it ended, if it has.
    end: Option<Result<(), Echo>>,
    /// How often to look before taking what is there.
    looks: u32,
    ledger: Ledger,
    #[cfg(any(feature = "http", feature = "stream"))]
    polled: PulledByTask,
}

impl Chunks {
    pub(crate) fn new(channel: Arc<Channel>) -> Chunks {
        Chunks::with(channel, Ledger::default(), None)
    }

    pub(crate) fn of_program(channel: Arc<Channel>, ledger: Ledger, start: Box<dyn Job>) -> Chunks {
        Chunks::with(channel, ledger, Some(start))
    }

    fn with(channel: Arc<Channel>, ledger: Ledger, start: Option<Box<dyn Job>>) -> Chunks {
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

    /// The next chunk, if it comes in time.
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
    /// `TimedOut`, with an [`Error`](crate::Error) that says so, when nothing came: the chunks are then as they were.
    /// Otherwise as the iterator's items.
    ///
    /// # Caveats
    ///
    /// Inside a program that an asynchronous executor polls, where waiting suspends, there is no clock to wake it: it
    /// waits until there is something. The workers of a [`Pool`](crate::Pool) have one.
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<io::Result<Bytes>> {
        if self.end.is_some() {
            return None;
        }
        self.begin();
        let taken = match self.take_soon() {
            Some(taken) => Ok(Some(taken)),
            // Without an end in sight a time too long to name is no limit.
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

    /// Waits until the first chunk is there, complete, or the end; starts the program if need be, and pulls nothing. Await
    /// it, or call [`wait`](Head::wait).
    ///
    /// An answer that is short is over by then: its body knows its exact length, of which servers make a Content-Length.
    /// And one that failed before its first byte can still be answered otherwise.
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
    /// The program's own, or its panic, if nothing that it has written is left before it. It was told then, and is not told
    /// again: the chunks are over. An error that comes after bytes comes after them.
    ///
    /// # Caveats
    ///
    /// A chunk is complete when more than the [`chunk_size`](crate::Thread::chunk_size) has been written, at a flush, and when
    /// the program waits for another bridge or is held. A program that writes no more than that, and then waits for something
    /// else without a flush, keeps whoever waits for its head waiting.
    pub fn head(&mut self) -> Head<'_> {
        Head::new(self)
    }

    /// Waits until the program has begun to wait, for whatever it may be; starts the program if need be, and pulls nothing.
    /// Await it, or call [`wait`](Blocked::wait).
    ///
    /// A program that waits has written all that it can for now: a host that holds back what came first, such as the head
    /// of a response, sends it then.
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
    /// It stays pending after the end of a program that never waited. Poll it beside [`head`](Chunks::head), or pull.
    pub fn blocked(&mut self) -> Blocked<'_> {
        Blocked::new(self)
    }

    /// Drops the chunks, and waits until the program and all that it owned is gone. One that never started is dropped
    /// as it is.
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
            // Refused when this is itself in a program that is to stop: then nobody waits for the result.
            let _ = wait::until(|context| channel.program.poll_gone(context));
        }
    }

    /// The same bytes as [`Read`](io::Read) and [`BufRead`](io::BufRead). Made after the chunks have given their error, it
    /// fails with one of the same kind.
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

    /// What has happened so far.
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

    fn launch(&mut self, start: Box<dyn Job>) {
        self.ledger.begin();
        self.channel.program.start(&self.ledger);
        if let Err(error) = start.launch() {
            self.hosts = false;
            self.channel.end(Err(error));
        }
    }

    /// Moves the program's input on. Whatever waits for these chunks does so first: nothing else polls the source.
    pub(super) fn feed(&mut self, context: &Context<'_>) {
        // A source that panics is not put back: the program then reads that its input was truncated, and never a clean end.
        if let Some(mut feeder) = self.feeder.take()
            && feeder.get_mut()(&mut Context::from_waker(context.waker())).is_pending()
        {
            self.feeder = Some(feeder);
        }
    }

    /// Whatever is there, after the program was given what there is for it to read.
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

    /// A full chunk if there is one; else, after a writer in full flow has had the time to complete its chunk, whatever
    /// has been written. Goes to sleep only if nothing comes for several times as long. Where waiting suspends it does
    /// so at once: the writer may be the next in turn on this very thread.
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
            // Where both sides share a processor, the writer has been waiting for it. It does not always get it at once.
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

    /// What a call that may wait gives, and counts.
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

    /// Nothing comes after this.
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
                // It may own a panic's payload.
                contained(|| drop(end));
            }
            None => self.tell(Outcome::Disconnected, None),
        }
    }

    /// The bridge has ended; whoever asked for that is told, the first time.
    fn tell(&mut self, outcome: Outcome, error: Option<&io::Error>) {
        let channel = &self.channel;
        self.ledger.close(outcome, error, || channel.stats());
    }
}

impl Iterator for Chunks {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        // What was taken ahead is there, whatever has come of the bridge since.
        if self.feeder.is_none()
            && let Some(chunk) = self.channel.take_ahead(&mut self.ahead)
        {
            wait::count(chunk.len());
            return Some(Ok(chunk));
        }
        self.next_of_queue()
    }

    /// At least as many chunks as are queued now, or one if anything was written. If that is none, the next pull waits or finds
    /// the end.
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
        // If no other side has the channel, none waits; and what has not begun, or was pulled to its end, owns nothing more.
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
