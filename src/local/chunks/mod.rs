//! The pull end of a local bridge.

mod driving;

use std::io;
use std::mem;
#[cfg(any(feature = "http", feature = "stream"))]
use std::task::{Context, ready};
use std::task::{Poll, Waker};

use bytes::Bytes;

use super::bridge::{Bridge, ENGINE, Pause};
use super::{Head, Reader};
use crate::ended::{Ledger, Outcome};
use crate::error::Echo;
#[cfg(any(feature = "http", feature = "stream"))]
use crate::error::Error;
use crate::options::Options;
#[cfg(any(feature = "http", feature = "stream"))]
use crate::runtime::fairness::Turn;
#[cfg(any(feature = "http", feature = "stream"))]
use crate::runtime::stop_waker::StopWaker;
use crate::stats::Stats;

/// What a program on [`Local`](crate::Local) writes, chunk by chunk: each `next()` runs the program until it has the
/// next one.
///
/// The program does not run in between. It is over when `next()` gives an error or `None`; the error comes once. Dropping
/// the chunks ends the program: its pending write is refused, and it runs on to its end before `drop` returns.
///
/// ```
/// use std::io::Write;
///
/// let mut chunks = pushpull::Local::new().chunk_size(4).pull(|w| w.write_all(b"push").and_then(|()| w.write_all(b"p")));
/// assert_eq!(chunks.next().unwrap()?, "push");
/// assert_eq!(chunks.next().unwrap()?, "p");
/// assert!(chunks.next().is_none());
/// assert_eq!((chunks.stats().bytes, chunks.stats().chunks), (5, 2));
/// # std::io::Result::Ok(())
/// ```
///
/// # When to use something else
///
/// A program that waits (for a file, a lock, a socket) makes the thread that pulls wait. Use
/// [`Thread`](crate::Thread) for it. `Chunks` of the crate root are `Send`; these are not.
///
/// # Caveats
///
/// A thread that ends destroys its thread-locals one after the other. If the chunks lie in one of them, a program that is
/// suspended by then never runs again: it may have borrowed from another that is gone. It stays on its stack, as if the
/// chunks were forgotten, and a `next()` returns an error for which [`is_truncated`](crate::Error::is_truncated) is true.
/// With a C library other than GNU's this is only seen if the holder was first used before the thread's first bridge.
#[derive(Debug)]
pub struct Chunks {
    bridge: Stage,
    bytes: u64,
    chunks: u64,
    ledger: Ledger,
    #[cfg(any(feature = "http", feature = "stream"))]
    turn: Turn,
    #[cfg(any(feature = "http", feature = "stream"))]
    stop: StopWaker,
}

#[derive(Debug)]
enum Stage {
    Running(Bridge),
    /// `head` has waited for the first chunk. In a box: few ask, and all chunks would be larger for it.
    PulledAhead(Box<PulledAhead>),
    /// The bridge could not be built, or a sink has panicked; still to be told.
    Refused(io::Error),
    /// How, if not well.
    Over(Option<Echo>),
}

/// A bridge whose next chunk is there.
#[derive(Debug)]
struct PulledAhead {
    bridge: Bridge,
    /// `None` if it is lent.
    chunk: Option<Bytes>,
}

impl PulledAhead {
    fn len(&self) -> usize {
        self.chunk.as_ref().map_or(self.bridge.lent().len(), Bytes::len)
    }
}

/// What there is for the host.
pub(crate) enum Next {
    Chunk(Bytes),
    /// A write is lent: see [`Chunks::lent`].
    Lent,
    Error(io::Error),
    End,
    /// The waker will be woken.
    Waiting,
}

impl Chunks {
    pub(super) fn new(bridge: io::Result<Bridge>, options: &Options) -> Chunks {
        Chunks {
            bridge: match bridge {
                Ok(bridge) => Stage::Running(bridge),
                Err(error) => Stage::Refused(error),
            },
            bytes: 0,
            chunks: 0,
            ledger: Ledger::open(ENGINE, options.name.as_ref(), options.hook()),
            #[cfg(any(feature = "http", feature = "stream"))]
            turn: Turn::new(),
            #[cfg(any(feature = "http", feature = "stream"))]
            stop: StopWaker::default(),
        }
    }

    /// Runs the program until there is something.
    pub(crate) fn advance(&mut self, waker: Option<&Waker>) -> Next {
        self.run(waker).map_or_else(|| self.pause(), Next::Chunk)
    }

    /// Runs the program until it hands over a chunk, or there is something else, which `pause` tells. Always inlined: to return
    /// a chunk that was only just written costs as much as the switch.
    #[inline(always)]
    fn run(&mut self, waker: Option<&Waker>) -> Option<Bytes> {
        let Stage::Running(bridge) = &mut self.bridge else { return None };
        self.ledger.begin();
        let chunk = bridge.resume(waker);
        if let Some(chunk) = &chunk {
            let len = chunk.len();
            self.count(len);
        }
        chunk
    }

    fn pause(&mut self) -> Next {
        let Stage::Running(bridge) = &self.bridge else { return self.take_ahead() };
        match bridge.pause() {
            Pause::Last(chunk) => {
                self.count(chunk.len());
                Next::Chunk(chunk)
            }
            Pause::Lent => {
                let len = bridge.lent().len();
                self.count(len);
                Next::Lent
            }
            Pause::Waiting | Pause::Hungry => Next::Waiting,
            Pause::Ended => self.end(),
        }
    }

    /// What the program lends to the host until it is run again.
    #[inline]
    pub(crate) fn lent(&self) -> &[u8] {
        match &self.bridge {
            Stage::Running(bridge) => bridge.lent(),
            _ => &[],
        }
    }

    /// Nothing more will come, and nothing of it was an error.
    pub(crate) fn is_over(&self) -> bool {
        match &self.bridge {
            Stage::Running(bridge) => bridge.is_over(),
            Stage::PulledAhead(..) | Stage::Refused(_) => false,
            Stage::Over(_) => true,
        }
    }

    /// Runs the program by a poll: a wait inside it suspends it. Never `Next::Waiting`.
    #[cfg(feature = "stream")]
    pub(crate) fn poll_advance(&mut self, context: &Context<'_>) -> Poll<Next> {
        ready!(self.turn.poll_yield(context));
        let polled = self.poll_program(context);
        match &polled {
            Poll::Ready(Next::Chunk(chunk)) => self.turn.count(chunk.len()),
            Poll::Ready(Next::Lent) => self.turn.count(self.lent().len()),
            _ => self.turn = Turn::new(),
        }
        polled
    }

    /// Runs the program, unless that waits in another program that is to stop.
    #[cfg(any(feature = "http", feature = "stream"))]
    fn poll_program(&mut self, context: &Context<'_>) -> Poll<Next> {
        let polled = match self.advance(Some(context.waker())) {
            Next::Waiting => Poll::Pending,
            next => Poll::Ready(next),
        };
        let watched = self.stop.watch(polled, context);
        watched.map(|next| next.unwrap_or_else(|_| Next::Error(self.give_up(Error::disconnected()))))
    }

    /// The same, for a host that cannot be lent anything.
    #[cfg(any(feature = "http", feature = "stream"))]
    pub(crate) fn poll_in_turn(&mut self, context: &Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        ready!(self.turn.poll_yield(context));
        let polled = self.poll_program(context).map(|next| self.item(next));
        self.turn.count_polled(&polled);
        polled
    }

    /// What there is, for a host that cannot be lent anything.
    fn item(&mut self, next: Next) -> Option<io::Result<Bytes>> {
        match next {
            Next::Chunk(chunk) => Some(Ok(chunk)),
            Next::Lent => self.copy_lent().map(Ok),
            Next::Error(error) => Some(Err(error)),
            Next::End | Next::Waiting => None,
        }
    }

    fn copy_lent(&mut self) -> Option<Bytes> {
        let Stage::Running(bridge) = &mut self.bridge else { return None };
        let (piece, rest) = bridge.copy_lent();
        // It was counted whole, and will be again.
        self.bytes -= rest as u64;
        Some(piece)
    }

    fn count(&mut self, len: usize) {
        self.bytes += len as u64;
        self.chunks += 1;
    }

    /// Waits until the first chunk is there, or the end; starts the program if need be, and pulls nothing. Await it, or call
    /// [`wait`](Head::wait).
    ///
    /// An answer that is short is over by then: its body knows its exact length, of which servers make a Content-Length.
    /// And one that failed before its first byte can still be answered otherwise.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// let mut chunks = pushpull::Local::new().pull(|w| w.write_all(b"hello"));
    /// chunks.head().wait()?;
    /// assert_eq!(http_body::Body::size_hint(&chunks.into_body()).exact(), Some(5));
    ///
    /// let mut chunks = pushpull::Local::new().pull(|_| Err(std::io::ErrorKind::NotFound.into()));
    /// assert_eq!(chunks.head().wait().unwrap_err().kind(), std::io::ErrorKind::NotFound);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// The program's own, or its panic, if nothing that it has written is left before it. It was told then, and is not told
    /// again: the chunks are over. An error that comes after bytes comes after them.
    pub fn head(&mut self) -> Head<'_> {
        Head::new(self)
    }

    /// Runs the program until it has a chunk, and keeps that.
    pub(super) fn look_ahead(&mut self, waker: Option<&Waker>) -> Poll<io::Result<()>> {
        if !matches!(self.bridge, Stage::Running(_) | Stage::Refused(_)) {
            return Poll::Ready(Ok(()));
        }
        let chunk = match self.advance(waker) {
            Next::Chunk(chunk) => Some(chunk),
            Next::Lent => None,
            Next::Error(error) => return Poll::Ready(Err(error)),
            Next::End => return Poll::Ready(Ok(())),
            Next::Waiting => return Poll::Pending,
        };
        self.keep(chunk);
        Poll::Ready(Ok(()))
    }

    /// The next chunk is there, and has not been pulled; `None` if it is lent.
    fn keep(&mut self, chunk: Option<Bytes>) {
        if let Stage::Running(bridge) = mem::replace(&mut self.bridge, Stage::Over(None)) {
            self.bridge = Stage::PulledAhead(Box::new(PulledAhead { bridge, chunk }));
        }
        self.bytes -= self.waiting().0 as u64;
        self.chunks -= 1;
    }

    /// What is lent has not been pulled, but for so many bytes.
    fn keep_lent(&mut self, pulled: usize) {
        if let Stage::Running(bridge) = &mut self.bridge {
            bridge.shorten_lent(pulled);
        }
        self.keep(None);
    }

    /// What `head` has waited for, or else the end.
    #[cold]
    fn take_ahead(&mut self) -> Next {
        match mem::replace(&mut self.bridge, Stage::Over(None)) {
            Stage::PulledAhead(ahead) => {
                let len = ahead.len();
                let PulledAhead { bridge, chunk } = *ahead;
                self.bridge = Stage::Running(bridge);
                if len == 0 {
                    // What was lent is lost with the program.
                    return self.pause();
                }
                self.count(len);
                chunk.map_or(Next::Lent, Next::Chunk)
            }
            other => {
                self.bridge = other;
                self.end()
            }
        }
    }

    /// How many bytes are there, and whether that is all.
    pub(crate) fn waiting(&self) -> (usize, bool) {
        match &self.bridge {
            Stage::PulledAhead(ahead) => (ahead.len(), ahead.bridge.is_over()),
            _ => (0, self.is_over()),
        }
    }

    #[cold]
    fn end(&mut self) -> Next {
        let error = match mem::replace(&mut self.bridge, Stage::Over(None)) {
            Stage::Running(bridge) => bridge.take_error(),
            Stage::PulledAhead(ahead) => ahead.bridge.take_error(),
            Stage::Refused(error) => {
                self.ledger.begin();
                Some(error)
            }
            over @ Stage::Over(_) => {
                self.bridge = over;
                None
            }
        };
        self.tell(Outcome::of(error.as_ref()), error.as_ref());
        error.map_or(Next::End, |error| Next::Error(self.fail(error)))
    }

    /// The bridge has ended; whoever asked for that is told, the first time.
    fn tell(&mut self, outcome: Outcome, error: Option<&io::Error>) {
        self.ledger.close(outcome, error, || Stats::unqueued(self.bytes, self.chunks));
    }

    /// The host goes no further, which ends the program: its own sink has failed, or it is to stop itself.
    fn give_up(&mut self, error: io::Error) -> io::Error {
        let error = self.fail(error);
        self.tell(Outcome::Disconnected, Some(&error));
        error
    }

    /// The chunks end with this error, and the program with them.
    fn fail(&mut self, error: io::Error) -> io::Error {
        self.bridge = Stage::Over(Some(Echo::of(&error)));
        error
    }

    /// The same bytes as [`Read`](io::Read) and [`BufRead`](io::BufRead). A large write is read where it lies, without a
    /// copy in between. Made after the chunks have given their error, it fails with one of the same kind.
    pub fn into_reader(self) -> Reader {
        let failed = match &self.bridge {
            Stage::Over(failed) => failed.clone(),
            _ => None,
        };
        Reader::of_chunks(self, failed)
    }

    /// What has been pulled so far.
    pub fn stats(&self) -> Stats {
        Stats::unqueued(self.bytes, self.chunks)
    }
}

impl Iterator for Chunks {
    type Item = io::Result<Bytes>;

    #[inline]
    fn next(&mut self) -> Option<io::Result<Bytes>> {
        match self.run(None) {
            Some(chunk) => Some(Ok(chunk)),
            None => {
                let next = self.pause();
                self.item(next)
            }
        }
    }

    /// Whether the program is known to be over; nothing is known of one that is not.
    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.bridge {
            Stage::PulledAhead(ahead) => (1, ahead.bridge.is_over().then_some(1)),
            _ => (0, self.is_over().then_some(0)),
        }
    }
}

impl std::iter::FusedIterator for Chunks {}

impl Drop for Chunks {
    /// The program ends before anybody is told of it.
    #[inline]
    fn drop(&mut self) {
        // Nobody asks: the fields are dropped where they are.
        if !self.ledger.is_empty() {
            self.tell_dropped();
        }
    }
}

impl Chunks {
    #[cold]
    fn tell_dropped(&mut self) {
        let (whole, bridge) = match mem::replace(&mut self.bridge, Stage::Over(None)) {
            Stage::Running(bridge) => (bridge.is_over(), bridge),
            Stage::PulledAhead(ahead) => (false, ahead.bridge),
            Stage::Refused(_) | Stage::Over(_) => return,
        };
        let error = bridge.take_error();
        drop(bridge);
        match &error {
            None if !whole => self.tell(Outcome::Disconnected, None),
            end => self.tell(Outcome::of(end.as_ref()), end.as_ref()),
        }
    }
}
