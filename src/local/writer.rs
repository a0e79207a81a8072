//! The writer of a program on the calling thread.

use std::fmt;
use std::io::{self, Write};

use bytes::Bytes;

use super::exchange::Link;
use crate::buf::chunker::{Cut, write_each};
use crate::error::Error;
use crate::runtime::coroutine::Refused;

/// The writer end of a program on [`Local`](crate::Local).
///
/// Small writes are buffered until they fill a chunk. Then the program is suspended until the chunk is pulled.
///
/// A write of a whole chunk or more is not buffered. It is lent to the reader while the program is suspended. A reader
/// that keeps what it pulls receives a copy, in chunks of 64 KiB or the chunk size, whichever is larger.
///
/// Unlike the writer at the crate root, this one has no `closed()`. A program on this engine runs only while its reader
/// waits for it, so the two would wait for each other.
///
/// # Examples
///
/// ```
/// use std::io::Write;
///
/// let mut chunks = pushpull::Local::new().pull(|w| {
///     write!(w, "{} ", 1)?;
///     w.flush()?;
///     w.write_bytes(bytes::Bytes::from_static(b"not copied"))
/// });
/// assert_eq!(chunks.next().unwrap()?, "1 ");
/// assert_eq!(chunks.next().unwrap()?, "not copied");
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
///
/// A write returns `BrokenPipe` (see [`Error::is_disconnected`](crate::Error::is_disconnected)):
///
/// * if the reader was dropped;
/// * if the program has ended, and the writer was moved out of it by `mem::replace`;
/// * if it would have to suspend the program from outside the program, or while the program is unwinding.
///
/// # Panics
///
/// A program that ignores 64 errors of a closed bridge is unwound by its next read or write, without a message. Its
/// destructors run, and frames of C or C++ below the write are skipped.
///
/// The program is not unwound if it is unwinding already, in a build with `panic = "abort"`, or if its engine's
/// [`unwind`](crate::Local::unwind) is `false`. Every further write returns an error then.
pub struct Writer {
    outlet: LocalOutlet,
}

enum LocalOutlet {
    Host(Link),
    Sink(Box<dyn Write>),
    /// Every write is refused.
    Closed,
}

impl Writer {
    #[inline]
    pub(super) fn new(link: Link) -> Writer {
        Writer { outlet: LocalOutlet::Host(link) }
    }

    /// Creates a writer that writes straight into a sink.
    pub(crate) fn sink(sink: Box<dyn Write>) -> Writer {
        Writer { outlet: LocalOutlet::Sink(sink) }
    }

    /// Hands over a chunk without a copy, after the bytes written before it.
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as every write: see [`Writer`].
    // Always inlined, with the switch inside it: the processor predicts returns correctly only if no call is left open
    // between entering and leaving a coroutine.
    #[inline(always)]
    pub fn write_bytes(&mut self, bytes: Bytes) -> io::Result<()> {
        match &mut self.outlet {
            LocalOutlet::Host(link) => {
                if bytes.is_empty() {
                    return Ok(());
                }
                link.hand_pending().and_then(|()| link.frame.hand(bytes)).map_err(|refused| refuse(link, refused))
            }
            LocalOutlet::Sink(sink) => sink.write_all(&bytes),
            LocalOutlet::Closed => Err(Error::disconnected()),
        }
    }

    /// Returns `true` if no reader can receive what is written.
    pub fn is_closed(&self) -> bool {
        match &self.outlet {
            LocalOutlet::Host(link) => link.frame.is_closed(),
            LocalOutlet::Sink(_) => false,
            LocalOutlet::Closed => true,
        }
    }

    /// Counts a refused call of the program, and returns the error for it.
    pub(crate) fn refuse(&self, error: io::Error) -> io::Error {
        match &self.outlet {
            LocalOutlet::Host(link) => link.refuse(error),
            LocalOutlet::Sink(_) | LocalOutlet::Closed => error,
        }
    }

    fn write_slow(&mut self, buf: &[u8]) -> io::Result<()> {
        match &mut self.outlet {
            LocalOutlet::Host(_) if buf.is_empty() => Ok(()),
            LocalOutlet::Host(link) => cut(link, buf).map_err(|refused| refuse(link, refused)),
            LocalOutlet::Sink(sink) => sink.write_all(buf),
            LocalOutlet::Closed => Err(Error::disconnected()),
        }
    }
}

/// Handles a write that completes a chunk, or is one.
fn cut(link: &Link, buf: &[u8]) -> Result<(), Refused> {
    link.frame.may_suspend()?;
    let pending = &link.exchange.pending;
    let cut = pending.borrow().cut(buf.len());
    match cut {
        Cut::Join => pending.borrow_mut().append(buf),
        Cut::Complete(part) => {
            pending.borrow_mut().append(&buf[..part]);
            link.hand_pending()?;
            pending.borrow_mut().append(&buf[part..]);
        }
        Cut::Whole => {
            link.hand_pending()?;
            link.frame.lend(buf)?;
        }
    }
    Ok(())
}

#[cold]
fn refuse(link: &Link, _: Refused) -> io::Error {
    link.refuse(Error::disconnected())
}

impl Writer {
    /// Appends `buf` to the pending chunk if it fits. Nearly every small write takes this path.
    #[inline]
    fn join(&mut self, buf: &[u8]) -> bool {
        match &self.outlet {
            LocalOutlet::Host(link) => link.exchange.pending.borrow_mut().join(buf),
            LocalOutlet::Sink(_) | LocalOutlet::Closed => false,
        }
    }
}

impl Write for Writer {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_all(buf).map(|()| buf.len())
    }

    #[inline]
    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        if self.join(buf) { Ok(()) } else { self.write_slow(buf) }
    }

    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        write_each(self, bufs)
    }

    /// Ends the chunk here, and hands it over.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.outlet {
            LocalOutlet::Host(link) => link.hand_pending().map_err(|refused| refuse(link, refused)),
            LocalOutlet::Sink(sink) => sink.flush(),
            LocalOutlet::Closed => Err(Error::disconnected()),
        }
    }
}

/// A closed writer, for [`mem::take`](std::mem::take): every write to it returns `BrokenPipe`.
impl Default for Writer {
    fn default() -> Writer {
        Writer { outlet: LocalOutlet::Closed }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}
