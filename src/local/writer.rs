//! What a local program writes to.

use std::fmt;
use std::io::{self, Write};

use bytes::Bytes;

use super::exchange::Link;
use crate::buf::chunker::{Cut, write_each};
use crate::error::Error;
use crate::runtime::coroutine::Refused;

/// What a program on [`Local`](crate::Local) writes to.
///
/// Small writes wait in a buffer until they make a chunk; then the program is suspended until the chunk has been pulled.
/// A write of a whole chunk or more is not buffered: it is lent to the host while the program is suspended. A host that keeps
/// what it pulls gets a copy, in chunks of 64 KiB or the chunk size, if that is more.
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
/// It has no `closed()` to wait with, as the crate root's writer has: a local program runs only while its puller asks for
/// something, so that it would wait for the one who waits for it.
///
/// # Errors
///
/// `BrokenPipe` (see [`Error::is_disconnected`](crate::Error::is_disconnected)) once the puller is gone, once the
/// program has ended (for a writer that got away from it by `mem::replace`), and for a write that would have to suspend
/// the program from outside it, or while it is unwinding.
///
/// # Panics
///
/// A program that ignores 64 errors of a closed bridge is unwound by its next read or write, without a message. Its
/// destructors run, and frames of C or C++ below the write are skipped. It is not unwound while it is unwinding already, in a
/// build with `panic = "abort"`, or if its engine's [`unwind`](crate::Local::unwind) is `false`: then each write goes on
/// returning an error.
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

    /// A writer for a program whose output goes straight into a sink.
    pub(crate) fn sink(sink: Box<dyn Write>) -> Writer {
        Writer { outlet: LocalOutlet::Sink(sink) }
    }

    /// Hands over a chunk that is already there, without a copy. What was written before it goes first.
    ///
    /// # Errors
    ///
    /// As for every write: see [`Writer`].
    // Always inlined, with the switch inside it: between a coroutine's being entered and left the processor predicts
    // returns rightly only if no call is left open.
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

    /// Whether nobody can get what is written any more.
    pub fn is_closed(&self) -> bool {
        match &self.outlet {
            LocalOutlet::Host(link) => link.frame.is_closed(),
            LocalOutlet::Sink(_) => false,
            LocalOutlet::Closed => true,
        }
    }

    /// Counts a refused call of this writer's program, and returns the error for it.
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

/// A write that completes a chunk, or is one.
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
    /// A write that only joins others: the way of nearly every small one.
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

    /// Ends the chunk here: what was written is handed over.
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
