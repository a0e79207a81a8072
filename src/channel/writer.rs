//! The writing end of a channel.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;

use super::chunks::Chunks;
#[cfg(any(feature = "http", feature = "stream"))]
use super::polled::WrittenByTask;
use super::sender::{Sender, Short};
use super::shared::{Channel, Closed};
use super::stall::{self, Patience};
use crate::buf::chunker::write_each;
use crate::buf::shared_sink::TryWrite;
use crate::error::Error;
use crate::error::uninterrupted;
use crate::options::Options;
use crate::runtime::{current, wait};
use crate::stats::Stats;

/// A bare bridge: what is written to the [`Writer`] on one side is pulled from the [`Chunks`] on the other. At most
/// `capacity` bytes are held in between.
///
/// ```
/// use std::io::Write;
/// use std::thread;
///
/// let (mut writer, chunks) = pushpull::pipe(64 * 1024);
/// let puller = thread::spawn(move || chunks.map(|chunk| chunk.unwrap().len()).sum::<usize>());
/// for line in 0..1000 {
///     writeln!(writer, "line {line}")?;
/// }
/// writer.finish()?;
/// assert_eq!(puller.join().unwrap(), 8890);
/// # std::io::Result::Ok(())
/// ```
///
/// A writer that is dropped without [`finish`](Writer::finish) was cut off: its puller is told, after the last byte.
///
/// # Panics
///
/// If `capacity` is zero.
#[track_caller]
pub fn pipe(capacity: usize) -> (Writer, Chunks) {
    let options = Options::pipe(capacity);
    let channel = Arc::new(Channel::new(&options));
    (Writer::bare(channel.clone(), &options), Chunks::new(channel))
}

/// The writing end of a bridge.
///
/// Small writes are gathered into chunks, in memory that a waiting puller may take from at any time, flushed or not. A
/// write waits while the bridge holds as many bytes as its capacity, and goes on when about half of them have been pulled.
/// `write`, `write_vectored` and [`write_bytes`](Writer::write_bytes) accept all of their bytes, however many: they wait for
/// room as often as it takes. Only [`try_write`](Writer::try_write) and the polls may accept a part.
///
/// A program that an engine runs is given one by reference; the engine ends the bridge when the program returns, and not
/// the writer. A bare one comes from [`pipe`], and says itself how it ends: [`finish`](Writer::finish),
/// [`abort`](Writer::abort), or dropped, which is told to the puller as a truncation.
///
/// # Errors
///
/// `BrokenPipe` (see [`Error::is_disconnected`](crate::Error::is_disconnected)) once the puller is gone or the bridge has
/// ended, and for a write that would have to wait in a program that is unwinding. `TimedOut` (see [`Error::is_stalled`](crate::Error::is_stalled)) once, when the puller has stalled
/// for as long as the engine's [`stall_timeout`](crate::Thread::stall_timeout) allows.
///
/// If the puller goes in the middle of a large write, the write fails, whatever it has accepted by then. If the engine ends
/// the bridge in the middle, as [`Pool::shutdown`](crate::Pool::shutdown) does, `write` returns how many bytes still arrive,
/// and the next write fails.
///
/// # Panics
///
/// A program that ignores 64 errors of a closed bridge is unwound by its next read or write, without a message. Its
/// destructors run, and frames of C or C++ below the write are skipped. It is not unwound while it is unwinding already, in a
/// build with `panic = "abort"`, or if its engine's [`unwind`](crate::Thread::unwind) is `false`: then each write goes on
/// returning an error.
pub struct Writer {
    pub(super) outlet: Outlet,
    /// Whether it says how the bridge ends. One that does not is a program's that an engine runs.
    bare: bool,
    /// It has said so, and that it ended well.
    ended: bool,
    #[cfg(any(feature = "http", feature = "stream"))]
    pub(super) polled: WrittenByTask,
    /// How long it waits for a puller that does not pull.
    patience: Option<Patience>,
}

pub(super) enum Outlet {
    Channel(Sender),
    Sink(Box<dyn TryWrite + Send + Sync>),
    /// Every write is refused.
    Closed,
}

impl Writer {
    fn new(outlet: Outlet, patience: Option<Patience>, bare: bool) -> Writer {
        Writer {
            outlet,
            bare,
            ended: false,
            #[cfg(any(feature = "http", feature = "stream"))]
            polled: WrittenByTask::default(),
            patience,
        }
    }

    pub(crate) fn bare(channel: Arc<Channel>, options: &Options) -> Writer {
        Writer::new(Outlet::Channel(Sender::new(channel, options)), None, true)
    }

    /// The writer of a program whose end the engine tells.
    pub(crate) fn of_program(channel: Arc<Channel>, options: &Options) -> Writer {
        let patience = Patience::of(options, &channel);
        Writer::new(Outlet::Channel(Sender::new(channel, options)), patience, false)
    }

    /// The writer of a program whose output goes straight into a sink.
    pub(crate) fn sink(sink: Box<dyn TryWrite + Send + Sync>) -> Writer {
        Writer::new(Outlet::Sink(sink), None, false)
    }

    pub(super) fn channel(&self) -> Option<&Arc<Channel>> {
        match &self.outlet {
            Outlet::Channel(sender) => Some(sender.channel()),
            Outlet::Sink(_) | Outlet::Closed => None,
        }
    }

    pub(super) fn patience(&self) -> Option<&Patience> {
        self.patience.as_ref()
    }

    /// The channel of the program that an engine runs with this writer.
    pub(super) fn own(&self) -> Option<&Arc<Channel>> {
        self.channel().filter(|_| !self.bare)
    }

    /// Writes what there is room for, without waiting. In a filter that is pushed into a sink, this is the sink's `write`,
    /// behind what was written before.
    ///
    /// ```
    /// let (mut writer, mut chunks) = pushpull::pipe(4);
    /// assert_eq!(writer.try_write(b"abcdef")?, 4);
    /// assert_eq!(writer.try_write(b"ef").unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    /// assert_eq!(chunks.next().unwrap()?, "abcd");
    /// assert_eq!(writer.try_write(b"ef")?, 2);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// `WouldBlock` when the bridge is full; otherwise as for every write.
    pub fn try_write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.write_short(buf)? {
            return Ok(buf.len());
        }
        let sender = match &mut self.outlet {
            Outlet::Channel(sender) => sender,
            Outlet::Sink(sink) => return sink.try_write(buf),
            Outlet::Closed => return Err(Error::disconnected()),
        };
        match sender.poll_write(buf, None) {
            Poll::Ready(Ok(0)) if !buf.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            Poll::Ready(Ok(len)) => Ok(len),
            Poll::Ready(Err(error)) => Err(self.refuse(error)),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Hands over a chunk that is already there, without a copy. What was written before it goes first. One that is
    /// larger than the capacity is split.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// let (mut writer, mut chunks) = pushpull::pipe(1024);
    /// writer.write_all(b"first")?;
    /// writer.write_bytes(bytes::Bytes::from_static(b"as it is"))?;
    /// assert_eq!(chunks.next().unwrap()?, "first");
    /// assert_eq!(chunks.next().unwrap()?, "as it is");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for every write: see [`Writer`].
    pub fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        let len = bytes.len();
        match &mut self.outlet {
            Outlet::Channel(sender) => match sender.hand(bytes) {
                Ok(handed) => {
                    let moved = sender.count();
                    let told = match handed {
                        Short::Called => self.answer(len),
                        _ => Ok(()),
                    };
                    // At last: it may be the others' turn now.
                    wait::count(moved);
                    told
                }
                Err(bytes) => self.hand_slow(bytes),
            },
            Outlet::Sink(sink) => sink.write_all(&bytes),
            Outlet::Closed => Err(Error::disconnected()),
        }
    }

    fn hand_slow(&mut self, mut bytes: Bytes) -> io::Result<()> {
        match &mut self.outlet {
            Outlet::Channel(sender) => {
                if bytes.is_empty() {
                    return Ok(());
                }
                stall::until(self.patience.as_ref(), |context| sender.poll_hand(&mut bytes, context))
                    .and_then(|handed| handed)
                    .map(|()| wait::count(sender.count()))
                    .map_err(|error| self.refuse(error))
            }
            Outlet::Sink(sink) => sink.write_all(&bytes),
            Outlet::Closed => Err(Error::disconnected()),
        }
    }

    /// Whether nobody can get what is written any more: the puller is gone, or the bridge has ended. A program that
    /// computes for long between its writes may ask.
    ///
    /// ```
    /// let (writer, chunks) = pushpull::pipe(1024);
    /// assert!(!writer.is_closed());
    /// drop(chunks);
    /// assert!(writer.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        match &self.outlet {
            Outlet::Channel(sender) => sender.channel().is_closed(),
            Outlet::Sink(_) => false,
            Outlet::Closed => true,
        }
    }

    /// Waits until nobody can get what is written any more, as [`is_closed`](Writer::is_closed) says: how a producer that
    /// has nothing to write for a while notices that its puller has gone. Await it, or call [`wait`](Closed::wait).
    ///
    /// A filter that is pushed into a sink has no puller, and never sees its writer closed.
    ///
    /// ```
    /// let (writer, chunks) = pushpull::pipe(1024);
    /// let puller = std::thread::spawn(move || drop(chunks));
    /// writer.closed().wait();
    /// assert!(writer.is_closed());
    /// # puller.join().unwrap();
    /// ```
    pub fn closed(&self) -> Closed<'_> {
        Closed::new(self)
    }

    /// What has happened so far. All zeros in a filter that is pushed into a sink, where nothing is queued.
    pub fn stats(&self) -> Stats {
        self.channel().map_or_else(Stats::default, |channel| channel.stats())
    }

    /// Says that everything has been written: after it the puller sees a clean end. Does not wait for the puller.
    ///
    /// In a program that an engine runs, the program's return says that, and this only flushes.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// let (mut writer, mut chunks) = pushpull::pipe(1024);
    /// writer.write_all(b"all of it")?;
    /// writer.finish()?;
    /// assert_eq!(chunks.next().unwrap()?, "all of it");
    /// assert!(chunks.next().is_none());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when the puller is gone already.
    pub fn finish(mut self) -> io::Result<()> {
        self.end_well()
    }

    /// To be told again is no error.
    pub(crate) fn end_well(&mut self) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        let mut open = !self.is_closed();
        match &mut self.outlet {
            // The reader may leave in between.
            Outlet::Channel(sender) if self.bare => open &= sender.end(Ok(())),
            Outlet::Channel(sender) => sender.leave(),
            Outlet::Sink(sink) => sink.flush()?,
            Outlet::Closed => {}
        }
        self.ended = self.bare && open;
        if open { Ok(()) } else { Err(Error::disconnected()) }
    }

    /// Says that what has been written is not the whole: after it the puller sees `error`. Does not wait.
    ///
    /// ```
    /// use std::io::{Error, Write};
    ///
    /// let (mut writer, mut chunks) = pushpull::pipe(1024);
    /// writer.write_all(b"some of it")?;
    /// writer.abort(Error::other("out of ink"));
    /// assert_eq!(chunks.next().unwrap()?, "some of it");
    /// assert_eq!(chunks.next().unwrap().unwrap_err().to_string(), "out of ink");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn abort(mut self, error: io::Error) {
        self.close(Err(uninterrupted(error)));
    }

    /// The bridge ends here, as `result` says. A first reason stays.
    pub(crate) fn close(&mut self, result: io::Result<()>) {
        if let Outlet::Channel(sender) = &mut self.outlet {
            sender.end(result);
        }
    }

    /// The program has returned, and its bridge ends. Its last chunk and the end are seen together, unless the program
    /// has let its writer get away.
    pub(crate) fn end_bridge(&mut self, channel: &Arc<Channel>, result: io::Result<()>) {
        match &mut self.outlet {
            Outlet::Channel(sender) if Arc::ptr_eq(sender.channel(), channel) => {
                sender.end(result);
            }
            _ => channel.end(result),
        }
    }

    #[inline]
    pub(super) fn write_short(&mut self, buf: &[u8]) -> io::Result<bool> {
        let Outlet::Channel(sender) = &mut self.outlet else { return Ok(false) };
        match sender.write_short(buf) {
            Short::Done => Ok(true),
            Short::Called => self.answer(buf.len()).map(|()| true),
            Short::No => Ok(false),
        }
    }

    /// Somebody has called after a write of `len` bytes: the puller, to be woken or because it is gone, or whoever has ended
    /// the channel.
    #[cold]
    fn answer(&mut self, len: usize) -> io::Result<()> {
        let closed = self.is_closed();
        let Outlet::Channel(sender) = &mut self.outlet else { return Ok(()) };
        if !closed {
            sender.rouse();
        } else if !sender.arrived(len) {
            return Err(self.refuse(Error::disconnected()));
        }
        Ok(())
    }

    /// Accepts all of a write that does not go the short way. Fewer bytes only if something else than the puller ends the bridge
    /// meanwhile: then so many still arrive.
    fn write_slow(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < buf.len() {
            written += self.write_part(&buf[written..])?;
            if written < buf.len() && self.is_ended() {
                break;
            }
        }
        Ok(written)
    }

    /// Whether the bridge has ended, and not because the puller has gone.
    fn is_ended(&self) -> bool {
        self.is_closed() && self.channel().is_some_and(|channel| channel.has_ended())
    }

    fn write_part(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.outlet {
            Outlet::Channel(sender) => {
                let written = match sender.write_allowed(buf) {
                    Some(written) => written,
                    None => stall::until(self.patience.as_ref(), |context| sender.poll_write(buf, Some(context)))
                        .and_then(|written| written),
                };
                written.inspect(|_| wait::count(sender.count())).map_err(|error| self.refuse(error))
            }
            Outlet::Sink(sink) => sink.write(buf),
            Outlet::Closed => Err(Error::disconnected()),
        }
    }

    /// How often its program has waited.
    pub(crate) fn waits(&self) -> u64 {
        self.own().map_or(0, |channel| channel.program.waits())
    }

    #[cold]
    pub(crate) fn refuse(&self, error: io::Error) -> io::Error {
        match self.own() {
            Some(channel) => current::refuse(&channel.program, error),
            None => error,
        }
    }
}

impl Write for Writer {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.write_short(buf)? { Ok(buf.len()) } else { self.write_slow(buf) }
    }

    #[inline]
    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        if self.write_short(buf)? || self.write_slow(buf)? == buf.len() {
            Ok(())
        } else {
            Err(self.refuse(Error::disconnected()))
        }
    }

    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        write_each(self, bufs)
    }

    /// Ends the chunk here. What was written can be pulled without it too; this is a boundary.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.outlet {
            Outlet::Channel(sender) => {
                sender.boundary();
                wait::count(sender.count());
                if self.is_closed() { Err(self.refuse(Error::disconnected())) } else { Ok(()) }
            }
            Outlet::Sink(sink) => sink.flush(),
            Outlet::Closed => Err(Error::disconnected()),
        }
    }
}

/// A closed writer, for [`mem::take`](std::mem::take): every write to it returns `BrokenPipe`.
///
/// ```
/// use std::io::{ErrorKind, Write};
///
/// let (mut writer, mut chunks) = pushpull::pipe(16);
/// let mut taken = std::mem::take(&mut writer);
/// assert_eq!(writer.write(b"lost").unwrap_err().kind(), ErrorKind::BrokenPipe);
/// taken.write_all(b"kept")?;
/// assert_eq!(chunks.next().unwrap()?, "kept");
/// # std::io::Result::Ok(())
/// ```
impl Default for Writer {
    fn default() -> Writer {
        Writer::new(Outlet::Closed, None, false)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Outlet::Channel(sender) = &mut self.outlet {
            if self.bare {
                sender.end(Err(Error::truncated()));
            } else {
                sender.leave();
            }
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}
