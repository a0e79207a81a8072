//! The writing end of a channel.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;

#[cfg(any(feature = "http", feature = "stream"))]
use super::polled::WrittenByTask;
use super::sender::{Sender, Short};
use super::shared::Channel;
use super::waits::{Closed, Patience, until_stalled};
use crate::buf::chunker::write_each;
use crate::buf::shared_sink::TryWrite;
use crate::error::Error;
use crate::error::uninterrupted;
use crate::options::Options;
use crate::runtime::{current, wait};
use crate::stats::Stats;

/// The writing end of a bridge.
///
/// The writer gathers small writes into chunks. A waiting reader may take the bytes of an incomplete chunk at any time,
/// flushed or not. A write blocks while the bridge is full, and resumes when about half of the capacity has been
/// pulled.
///
/// `write`, `write_vectored` and [`write_bytes`](Writer::write_bytes) accept all of their bytes, and wait for room as
/// often as needed. Only [`try_write`](Writer::try_write) and the polls may accept a part.
///
/// An engine lends a writer to its program, and ends the bridge when the program returns. A bare writer comes from
/// [`pipe`](crate::pipe), and ends its bridge itself: by [`finish`](Writer::finish), [`abort`](Writer::abort) or drop.
/// If a bare writer is dropped, the reader sees a truncation.
///
/// # Errors
///
/// Returns `BrokenPipe` (see [`Error::is_disconnected`](crate::Error::is_disconnected)) if the reader is gone or the
/// bridge has ended. A write that would have to wait while its program unwinds returns `BrokenPipe` too.
///
/// Returns `TimedOut` (see [`Error::is_stalled`](crate::Error::is_stalled)) once, if the reader stalls for the engine's
/// [`stall_timeout`](crate::Thread::stall_timeout).
///
/// If the reader is dropped during a large write, the write fails, even if a part was accepted. If the engine ends the
/// bridge during a write, as [`Pool::shutdown`](crate::Pool::shutdown) does, `write` returns how many bytes still
/// arrive. The next write fails.
///
/// # Panics
///
/// If a program ignores 64 errors of a closed bridge, its next read or write unwinds the program, without a message.
/// Destructors run; frames of C or C++ below the write are skipped.
///
/// In these cases the program is not unwound, and each write keeps returning an error:
///
/// - the program is already unwinding
/// - the build uses `panic = "abort"`
/// - the engine's [`unwind`](crate::Thread::unwind) is `false`
pub struct Writer {
    pub(super) outlet: Outlet,
    /// Whether this writer ends the bridge. Otherwise an engine does, when its program returns.
    bare: bool,
    /// Whether this writer has ended the bridge cleanly.
    ended: bool,
    #[cfg(any(feature = "http", feature = "stream"))]
    pub(super) polled: WrittenByTask,
    /// How long a write waits for a reader that does not pull.
    patience: Option<Patience>,
}

pub(super) enum Outlet {
    Channel(Sender),
    Sink(Box<dyn TryWrite + Send + Sync>),
    /// Refuses every write.
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

    /// Creates the writer of a program whose bridge the engine ends.
    pub(crate) fn of_program(channel: Arc<Channel>, options: &Options) -> Writer {
        let patience = Patience::of(options, &channel);
        Writer::new(Outlet::Channel(Sender::new(channel, options)), patience, false)
    }

    /// Creates the writer of a program whose output goes straight into a sink.
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

    /// Returns the channel of the program that an engine runs with this writer.
    pub(super) fn own(&self) -> Option<&Arc<Channel>> {
        self.channel().filter(|_| !self.bare)
    }

    /// Writes as many bytes as there is room for, without waiting. In a filter that is pushed into a sink, calls the
    /// sink's `write`, after everything written before.
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
    /// Returns `WouldBlock` if the bridge is full. The other errors are those of every write: see [`Writer`].
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

    /// Writes a ready chunk without a copy, after everything written before. If the chunk is larger than the capacity,
    /// it is split.
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
    /// Returns the errors of every write: see [`Writer`].
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
                    // Last, since this may let other programs run.
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
                until_stalled(self.patience.as_ref(), |context| sender.poll_hand(&mut bytes, context))
                    .and_then(|handed| handed)
                    .map(|()| wait::count(sender.count()))
                    .map_err(|error| self.refuse(error))
            }
            Outlet::Sink(sink) => sink.write_all(&bytes),
            Outlet::Closed => Err(Error::disconnected()),
        }
    }

    /// Returns `true` if the reader is gone or the bridge has ended: written bytes then reach no reader. A program that
    /// computes for long between its writes can check this.
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

    /// Waits until the bridge is closed, as [`is_closed`](Writer::is_closed) reports. So a producer that writes nothing
    /// for a while notices that its reader is gone. Await the future, or call [`wait`](Closed::wait).
    ///
    /// A filter that is pushed into a sink has no reader, so its writer never closes.
    ///
    /// ```
    /// let (writer, chunks) = pushpull::pipe(1024);
    /// let reader = std::thread::spawn(move || drop(chunks));
    /// writer.closed().wait();
    /// assert!(writer.is_closed());
    /// # reader.join().unwrap();
    /// ```
    pub fn closed(&self) -> Closed<'_> {
        Closed::new(self)
    }

    /// Returns the counts of this bridge so far. All are zero in a filter that is pushed into a sink, where nothing is
    /// queued.
    pub fn stats(&self) -> Stats {
        self.channel().map_or_else(Stats::default, |channel| channel.stats())
    }

    /// Ends the bridge cleanly: the reader sees the end after the last byte. Does not wait for the reader.
    ///
    /// In a program that an engine runs, `finish` only flushes; the program's return ends the bridge.
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
    /// Returns `BrokenPipe` if the reader is already gone.
    pub fn finish(mut self) -> io::Result<()> {
        self.end_well()
    }

    /// Ends the bridge cleanly. A second call is not an error.
    pub(crate) fn end_well(&mut self) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        let mut open = !self.is_closed();
        match &mut self.outlet {
            // The reader may leave after the check above.
            Outlet::Channel(sender) if self.bare => open &= sender.end(Ok(())),
            Outlet::Channel(sender) => sender.leave(),
            Outlet::Sink(sink) => sink.flush()?,
            Outlet::Closed => {}
        }
        self.ended = self.bare && open;
        if open { Ok(()) } else { Err(Error::disconnected()) }
    }

    /// Ends the bridge with `error`, which the reader sees after the last byte. Does not wait for the reader.
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

    /// Ends the bridge with `result`. An earlier reason stays.
    pub(crate) fn close(&mut self, result: io::Result<()>) {
        if let Outlet::Channel(sender) = &mut self.outlet {
            sender.end(result);
        }
    }

    /// Ends the bridge of a program that has returned. The reader sees the last chunk and the end together, unless the
    /// program has moved its writer away.
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

    /// Answers a call from the other side after a write of `len` bytes. The reader must be woken or is gone, or the
    /// channel has been ended.
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

    /// Accepts all bytes of a write that did not take the short way. Accepts fewer only if the bridge is ended by
    /// anything but its reader; the accepted bytes still arrive.
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

    /// Returns `true` if the bridge has ended, and not because its reader is gone.
    fn is_ended(&self) -> bool {
        self.is_closed() && self.channel().is_some_and(|channel| channel.has_ended())
    }

    fn write_part(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.outlet {
            Outlet::Channel(sender) => {
                let written = match sender.write_allowed(buf) {
                    Some(written) => written,
                    None => until_stalled(self.patience.as_ref(), |context| sender.poll_write(buf, Some(context)))
                        .and_then(|written| written),
                };
                written.inspect(|_| wait::count(sender.count())).map_err(|error| self.refuse(error))
            }
            Outlet::Sink(sink) => sink.write(buf),
            Outlet::Closed => Err(Error::disconnected()),
        }
    }

    /// Returns how often the program has waited.
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

    /// Ends the current chunk. The reader can take bytes without a flush; a flush only sets a chunk boundary.
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
