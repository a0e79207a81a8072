//! The reader end of a program on the calling thread.

mod driving;

use std::io;
use std::mem;
#[cfg(any(feature = "http", feature = "stream"))]
use std::task::{Context, ready};
use std::task::{Poll, Waker};

use bytes::Bytes;

use super::bridge::{Bridge, ENGINE_NAME, Pause};
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

/// The reader end of a program on [`Local`](crate::Local) that writes.
///
/// Each `next()` runs the program until it has written the next chunk. The program does not run in between. It is over
/// when `next()` returns an error or `None`; the error is returned once.
///
/// Dropping the chunks ends the program: its pending write is refused, and it runs to its end before `drop` returns.
///
/// # Examples
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
/// # Caveats
///
/// Do not keep the chunks in a thread-local. A thread that ends destroys its thread-locals one by one, and a suspended
/// program may borrow from one that is destroyed already. Such a program never runs again. It stays on its stack, as if
/// the chunks were forgotten, and `next()` returns an error for which [`is_truncated`](crate::Error::is_truncated) is
/// `true`. With a C library other than GNU's, this is detected only if the thread-local was first used before the
/// thread's first bridge.
///
/// # When to use something else
///
/// If the program waits for a file, a lock or a socket, the thread that pulls waits too. Use [`Thread`](crate::Thread)
/// for such programs. If the chunks must be `Send`, use [`Pool`](crate::Pool) or [`Thread`](crate::Thread).
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
    /// `head` has waited for the first chunk. In a box, because it would make all chunks larger, and is rare.
    PulledAhead(Box<PulledAhead>),
    /// The bridge could not be built, or a sink has panicked, and the error is not yet reported.
    Refused(io::Error),
    /// The error, if the program failed.
    Over(Option<Echo>),
}

/// A bridge, and its next chunk.
#[derive(Debug)]
struct PulledAhead {
    bridge: Bridge,
    /// `None` if the program lends it.
    chunk: Option<Bytes>,
}

impl PulledAhead {
    fn len(&self) -> usize {
        self.chunk.as_ref().map_or(self.bridge.lent().len(), Bytes::len)
    }
}

/// What the program has for the host.
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
            ledger: Ledger::open(ENGINE_NAME, options.name.as_ref(), options.hook()),
            #[cfg(any(feature = "http", feature = "stream"))]
            turn: Turn::new(),
            #[cfg(any(feature = "http", feature = "stream"))]
            stop: StopWaker::default(),
        }
    }

    pub(crate) fn advance(&mut self, waker: Option<&Waker>) -> Next {
        self.run(waker).map_or_else(|| self.pause(), Next::Chunk)
    }

    /// Runs the program until it hands over a chunk, or pauses for the reason that `pause` returns.
    // Always inlined: returning a chunk that was only just written costs as much as the switch.
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
            Pause::Waiting | Pause::NeedsInput => Next::Waiting,
            Pause::Ended => self.end(),
        }
    }

    /// Returns what the program lends to the host until it runs again.
    #[inline]
    pub(crate) fn lent(&self) -> &[u8] {
        match &self.bridge {
            Stage::Running(bridge) => bridge.lent(),
            _ => &[],
        }
    }

    /// Returns `true` if no chunk and no error will follow.
    pub(crate) fn is_over(&self) -> bool {
        match &self.bridge {
            Stage::Running(bridge) => bridge.is_over(),
            Stage::PulledAhead(..) | Stage::Refused(_) => false,
            Stage::Over(_) => true,
        }
    }

    /// Runs the program in a poll: a wait suspends the program. Never returns `Next::Waiting`.
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

    /// Runs the program. If it would wait inside another program that is being stopped, returns an error.
    #[cfg(any(feature = "http", feature = "stream"))]
    fn poll_program(&mut self, context: &Context<'_>) -> Poll<Next> {
        let polled = match self.advance(Some(context.waker())) {
            Next::Waiting => Poll::Pending,
            next => Poll::Ready(next),
        };
        let watched = self.stop.watch(polled, context);
        watched.map(|next| next.unwrap_or_else(|_| Next::Error(self.give_up(Error::disconnected()))))
    }

    /// Polls for the next chunk, for a host that cannot borrow a lent write.
    #[cfg(any(feature = "http", feature = "stream"))]
    pub(crate) fn poll_in_turn(&mut self, context: &Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        ready!(self.turn.poll_yield(context));
        let polled = self.poll_program(context).map(|next| self.item(next));
        self.turn.count_polled(&polled);
        polled
    }

    /// Converts `next` for a host that cannot borrow a lent write.
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
        // `pause` has counted the whole write, and counts the rest again.
        self.bytes -= rest as u64;
        Some(piece)
    }

    fn count(&mut self, len: usize) {
        self.bytes += len as u64;
        self.chunks += 1;
    }

    /// Returns a future that waits for the first chunk or the end, without pulling it.
    ///
    /// Await the future, or call [`wait`](Head::wait). It starts the program if necessary.
    ///
    /// If a response fits into the first chunk, its body then has an exact length, from which servers make a
    /// `Content-Length`. If the program has failed before its first byte, the server can still send another response.
    ///
    /// # Examples
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
    /// Returns the program's error, or its panic, if no written bytes are left to pull before it. The chunks are over
    /// then, and do not return the error again. An error after written bytes is returned by `next()`, after them.
    pub fn head(&mut self) -> Head<'_> {
        Head::new(self)
    }

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

    /// Keeps a chunk that has not been pulled; `None` if the program lends it.
    fn keep(&mut self, chunk: Option<Bytes>) {
        if let Stage::Running(bridge) = mem::replace(&mut self.bridge, Stage::Over(None)) {
            self.bridge = Stage::PulledAhead(Box::new(PulledAhead { bridge, chunk }));
        }
        self.bytes -= self.waiting().0 as u64;
        self.chunks -= 1;
    }

    /// Keeps a lent write of which only the first `pulled` bytes have been pulled.
    fn keep_lent(&mut self, pulled: usize) {
        if let Stage::Running(bridge) = &mut self.bridge {
            bridge.shorten_lent(pulled);
        }
        self.keep(None);
    }

    /// Takes the chunk that `head` has waited for, or the end.
    #[cold]
    fn take_ahead(&mut self) -> Next {
        match mem::replace(&mut self.bridge, Stage::Over(None)) {
            Stage::PulledAhead(ahead) => {
                let len = ahead.len();
                let PulledAhead { bridge, chunk } = *ahead;
                self.bridge = Stage::Running(bridge);
                if len == 0 {
                    // A lent write is lost with its program.
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

    /// Returns the number of bytes that are ready, and whether nothing follows them.
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
        self.report_end(Outcome::of(error.as_ref()), error.as_ref());
        error.map_or(Next::End, |error| Next::Error(self.fail(error)))
    }

    fn report_end(&mut self, outcome: Outcome, error: Option<&io::Error>) {
        self.ledger.close(outcome, error, || Stats::unqueued(self.bytes, self.chunks));
    }

    /// Ends the program because the host cannot continue: its sink has failed, or it is being stopped itself.
    fn give_up(&mut self, error: io::Error) -> io::Error {
        let error = self.fail(error);
        self.report_end(Outcome::Disconnected, Some(&error));
        error
    }

    /// Ends the chunks, and the program, with this error.
    fn fail(&mut self, error: io::Error) -> io::Error {
        self.bridge = Stage::Over(Some(Echo::of(&error)));
        error
    }

    /// Converts the chunks into a [`Read`](io::Read) and [`BufRead`](io::BufRead).
    ///
    /// A large write is read in place, without a copy. If the chunks have already returned their error, the reader
    /// fails with an error of the same kind.
    pub fn into_reader(self) -> Reader {
        let failed = match &self.bridge {
            Stage::Over(failed) => failed.clone(),
            _ => None,
        };
        Reader::of_chunks(self, failed)
    }

    /// Returns what has been pulled so far.
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

    /// Returns bounds on the number of chunks left. They are known only once the program is over, or after
    /// [`Chunks::head`].
    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.bridge {
            Stage::PulledAhead(ahead) => (1, ahead.bridge.is_over().then_some(1)),
            _ => (0, self.is_over().then_some(0)),
        }
    }
}

impl std::iter::FusedIterator for Chunks {}

impl Drop for Chunks {
    /// Ends the program, and then reports its end.
    #[inline]
    fn drop(&mut self) {
        // Without a ledger nothing has to be reported: the fields are dropped in place.
        if !self.ledger.is_empty() {
            self.report_drop();
        }
    }
}

impl Chunks {
    #[cold]
    fn report_drop(&mut self) {
        let (whole, bridge) = match mem::replace(&mut self.bridge, Stage::Over(None)) {
            Stage::Running(bridge) => (bridge.is_over(), bridge),
            Stage::PulledAhead(ahead) => (false, ahead.bridge),
            Stage::Refused(_) | Stage::Over(_) => return,
        };
        let error = bridge.take_error();
        drop(bridge);
        match &error {
            None if !whole => self.report_end(Outcome::Disconnected, None),
            end => self.report_end(Outcome::of(end.as_ref()), end.as_ref()),
        }
    }
}
