//! Splits what an application writes into a head and a body, and holds the head until something follows it.
//!
//! A complete head is passed to the host in a [`Slot`], beside the chunks. When the head must not be held any longer, a
//! mark of one byte is written to the chunks. Because it is a chunk, the mark arrives in order on every engine, and
//! suspends a coroutine.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::input::Outgoing;
use crate::cgi::head::{Fed, HeadError, HeadParser, ResponseHead, has_no_body};
use pushpull::{BridgeWriter, Error};

/// Passes the head to the host.
pub(crate) type Slot = Arc<Mutex<Option<Held>>>;

/// A complete head.
pub(crate) struct Held {
    pub(crate) head: ResponseHead,
    /// How often the program had waited when the head was complete.
    pub(crate) waits: u64,
}

/// Why the head is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// More of the response follows: bytes of the body, or the end.
    More,
    /// The program has flushed, or is about to wait.
    Flush,
    /// The program has failed, and nothing else follows.
    Failure,
}

impl Mark {
    fn chunk(self) -> Bytes {
        Bytes::from_static(match self {
            Mark::More => b"m",
            Mark::Flush => b"f",
            Mark::Failure => b"!",
        })
    }

    pub(crate) fn of(chunk: &[u8]) -> Mark {
        match chunk {
            b"f" => Mark::Flush,
            b"!" => Mark::Failure,
            _ => Mark::More,
        }
    }
}

/// How many bytes a program may write beyond its `Content-Length` before its writes return `BrokenPipe`.
const MAX_EXCESS: u64 = 16 << 20;

/// The sink that an application writes its response to.
pub struct Output<W: BridgeWriter>(Rc<RefCell<Parted<W>>>);

struct Parted<W> {
    writer: W,
    slot: Slot,
    part: Part,
    length: Length,
}

/// Whether a body is limited to the length in its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// Not limited.
    Free,
    /// Limited as soon as the head is complete.
    Kept,
    /// Limited to `left` more bytes; `excess` bytes beyond the length were discarded.
    Known { left: u64, excess: u64 },
}

enum Part {
    Head(HeadParser),
    /// The head is complete, and nothing has followed it.
    Held,
    Body,
    Failed(HeadError),
}

/// Runs a program and splits its output. The host receives the head, then the end or the error. Also returns how many
/// bytes the program wrote beyond its body's length.
pub(crate) fn part<W: BridgeWriter>(
    writer: &mut W,
    slot: Slot,
    max_head: usize,
    length: Length,
    program: impl FnOnce(&mut Output<W>) -> io::Result<()>,
) -> (io::Result<()>, u64) {
    let part = Part::Head(HeadParser::new(max_head));
    let mut output = Output(Rc::new(RefCell::new(Parted { writer: mem::take(writer), slot, part, length })));
    let result = panic::catch_unwind(AssertUnwindSafe(|| program(&mut output)))
        .unwrap_or_else(|payload| Err(Error::panicked(payload)));
    let mut parted = output.0.borrow_mut();
    let result = parted.check(result);
    let mark = if result.is_ok() { Mark::More } else { Mark::Failure };
    // The program's own error takes precedence over that of the mark.
    let released = parted.release(mark);
    let excess = if let Length::Known { excess, .. } = parted.length { excess } else { 0 };
    (result.and(released), excess)
}

impl<W: BridgeWriter> Output<W> {
    /// Takes a head that was never text.
    pub(crate) fn begin(&mut self, head: ResponseHead) {
        self.0.borrow_mut().hold(head);
    }

    /// Writes a chunk of the body without copying it.
    pub(crate) fn hand(&mut self, chunk: Bytes) -> io::Result<()> {
        if chunk.is_empty() {
            return Ok(());
        }
        let mut parted = self.0.borrow_mut();
        parted.release(Mark::More)?;
        parted.hand(chunk)
    }

    /// Returns the response as seen by the program's input.
    pub(crate) fn outgoing(&self) -> Rc<dyn Outgoing> {
        self.0.clone()
    }
}

/// If the cell is borrowed, a write is in progress: then no head is held, and the reader is still there.
impl<W: BridgeWriter> Outgoing for RefCell<Parted<W>> {
    fn before_wait(&self) {
        if let Ok(mut parted) = self.try_borrow_mut() {
            // The program's next write returns the error.
            let _ = parted.release(Mark::Flush);
        }
    }

    fn is_closed(&self) -> bool {
        self.try_borrow().is_ok_and(|parted| parted.writer.is_closed())
    }

    fn refuse(&self, error: io::Error) -> io::Error {
        match self.try_borrow() {
            Ok(parted) => parted.writer.refuse(error),
            Err(_) => error,
        }
    }
}

impl<W: BridgeWriter> Parted<W> {
    fn hold(&mut self, head: ResponseHead) {
        if let (Length::Kept, Some(left), false) = (self.length, head.length(), has_no_body(head.status)) {
            self.length = Length::Known { left, excess: 0 };
        }
        *self.slot.lock() = Some(Held { head, waits: self.writer.waits() });
        self.part = Part::Held;
    }

    fn release(&mut self, mark: Mark) -> io::Result<()> {
        if let Part::Held = self.part {
            self.part = Part::Body;
            self.writer.write_bytes(mark.chunk())?;
        }
        Ok(())
    }

    /// Writes all of `buf`, which can extend over the head, the body and bytes beyond the body's length.
    fn write(&mut self, buf: &[u8]) -> io::Result<()> {
        match &mut self.part {
            Part::Body => self.write_body(buf),
            Part::Held if buf.is_empty() => Ok(()),
            Part::Held => {
                self.release(Mark::More)?;
                self.write_body(buf)
            }
            Part::Failed(error) => Err(self.writer.refuse(error.clone().into())),
            Part::Head(parser) => match parser.feed(buf) {
                Ok(Fed::Wanting) => Ok(()),
                Ok(Fed::Complete(head, used)) => {
                    self.hold(head);
                    self.write(&buf[used..])
                }
                Err(error) => {
                    self.part = Part::Failed(error.clone());
                    Err(error.into())
                }
            },
        }
    }

    fn write_body(&mut self, buf: &[u8]) -> io::Result<()> {
        let Length::Known { left, .. } = self.length else { return self.writer.write_all(buf) };
        let (part, beyond) = buf.split_at(usize::try_from(left).map_or(buf.len(), |left| buf.len().min(left)));
        if !part.is_empty() {
            let written = self.writer.write_all(part);
            self.count(part.len(), written)?;
        }
        self.exceed(beyond.len())
    }

    fn hand(&mut self, mut chunk: Bytes) -> io::Result<()> {
        let Length::Known { left, .. } = self.length else { return self.writer.write_bytes(chunk) };
        let part = chunk.split_to(usize::try_from(left).map_or(chunk.len(), |left| chunk.len().min(left)));
        let len = part.len();
        let handed = self.writer.write_bytes(part);
        self.count(len, handed)?;
        self.exceed(chunk.len())
    }

    /// Counts `len` bytes of the body, if `written` is `Ok`. The write that completes the body always succeeds: the
    /// host may disconnect with the last byte.
    fn count(&mut self, len: usize, written: io::Result<()>) -> io::Result<()> {
        let Length::Known { left, .. } = &mut self.length else { return written };
        if len as u64 != *left {
            written?;
        }
        *left -= len as u64;
        Ok(())
    }

    /// Discards `len` bytes beyond the body's length. Returns an error beyond `MAX_EXCESS`.
    fn exceed(&mut self, len: usize) -> io::Result<()> {
        let Length::Known { excess, .. } = &mut self.length else { return Ok(()) };
        *excess = excess.saturating_add(len as u64);
        if *excess > MAX_EXCESS { Err(self.writer.refuse(Error::disconnected())) } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.release(Mark::Flush)?;
        let flushed = self.writer.flush();
        if matches!(self.length, Length::Known { left: 0, .. }) { Ok(()) } else { flushed }
    }

    /// Returns how the program ended. An invalid head takes precedence over the program's own error.
    fn check(&self, result: io::Result<()>) -> io::Result<()> {
        if let Part::Failed(error) = &self.part {
            return Err(error.clone().into());
        }
        result?;
        match (&self.part, self.length) {
            (Part::Head(_), _) => Err(HeadError::Incomplete.into()),
            (_, Length::Known { left: left @ 1.., .. }) => {
                let message = format!("the program wrote {left} bytes fewer than its content length");
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, message))
            }
            _ => Ok(()),
        }
    }
}

impl<W: BridgeWriter> Write for Output<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(buf).map(|()| buf.len())
    }

    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        bufs.iter().try_fold(0, |written, buf| self.write(buf).map(|len| written + len))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

impl<W: BridgeWriter> fmt::Debug for Output<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output")
    }
}
