//! The program's side of a response: what an application writes is parted into head and body, and the head is held until
//! something follows it.
//!
//! The head goes to the host beside the chunks, in a [`Slot`]. In the chunks a mark of one byte stands in its place, so
//! that the host gets it in its turn whatever the engine: a mark suspends a coroutine as any chunk does.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::head::{Fed, Head, HeadError, HeadParser};
use crate::program;

/// The head on its way to the host.
pub(super) type Slot = Arc<Mutex<Option<Head>>>;

/// What made the program's side give the head away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// More is there already: bytes of the body, or the end.
    More,
    /// A flush, or the program is about to wait.
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

    pub(super) fn of(chunk: &[u8]) -> Mark {
        match chunk {
            b"f" => Mark::Flush,
            b"!" => Mark::Failure,
            _ => Mark::More,
        }
    }
}

/// What a bridge's writer is to this file, whichever bridge's it is.
pub trait Outlet: Write + 'static {
    fn hand(&mut self, chunk: Bytes) -> io::Result<()>;

    /// Takes the writer out, and leaves one that goes nowhere.
    fn take(&mut self) -> Self;
}

macro_rules! outlets {
    ($($writer:ty),*) => {$(
        impl Outlet for $writer {
            fn hand(&mut self, chunk: Bytes) -> io::Result<()> {
                self.write_bytes(chunk)
            }

            fn take(&mut self) -> Self {
                std::mem::replace(self, <$writer>::sink(Box::new(io::sink())))
            }
        }
    )*};
}

outlets!(crate::Writer, crate::local::Writer);

/// What an application writes its response to.
pub struct Output<W: Outlet>(Rc<RefCell<Parted<W>>>);

struct Parted<W> {
    writer: W,
    slot: Slot,
    part: Part,
}

enum Part {
    Head(HeadParser),
    /// The head is complete, and nothing has followed it.
    Held(Head),
    Body,
    Failed(HeadError),
}

/// Runs a program whose output is parted, and sees to it that the host is told head, then end or error.
pub(super) fn part<W: Outlet>(
    writer: &mut W,
    slot: Slot,
    most_head: usize,
    program: impl FnOnce(&mut Output<W>) -> io::Result<()>,
) -> io::Result<()> {
    let part = Part::Head(HeadParser::new(most_head));
    let mut output = Output(Rc::new(RefCell::new(Parted { writer: writer.take(), slot, part })));
    let result = program::run(|| program(&mut output));
    let mut parted = output.0.borrow_mut();
    let result = result.and_then(|()| parted.check_complete());
    let mark = if result.is_ok() { Mark::More } else { Mark::Failure };
    // A program that has failed has told why already.
    let released = parted.release(mark);
    result.and(released)
}

impl<W: Outlet> Output<W> {
    /// Gives a head that was never text.
    pub(super) fn begin(&mut self, head: Head) {
        self.0.borrow_mut().part = Part::Held(head);
    }

    /// Hands over a chunk of the body as it is.
    pub(super) fn hand(&mut self, chunk: Bytes) -> io::Result<()> {
        if chunk.is_empty() {
            return Ok(());
        }
        let mut parted = self.0.borrow_mut();
        parted.release(Mark::More)?;
        parted.writer.hand(chunk)
    }

    /// What the program's input is to call before it waits: a head that is complete is not held any longer.
    pub(super) fn before_wait(&self) -> Rc<dyn Fn()> {
        let parted = self.0.clone();
        Rc::new(move || {
            // In the midst of a write nothing is complete. A refusal is told by the program's own next call.
            if let Ok(mut parted) = parted.try_borrow_mut() {
                let _ = parted.release(Mark::Flush);
            }
        })
    }
}

impl<W: Outlet> Parted<W> {
    fn release(&mut self, mark: Mark) -> io::Result<()> {
        match std::mem::replace(&mut self.part, Part::Body) {
            Part::Held(head) => {
                *self.slot.lock() = Some(head);
                self.writer.hand(mark.chunk())
            }
            other => {
                self.part = other;
                Ok(())
            }
        }
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.part {
            Part::Body => self.writer.write(buf),
            Part::Held(_) if buf.is_empty() => Ok(0),
            Part::Held(_) => {
                self.release(Mark::More)?;
                self.writer.write(buf)
            }
            Part::Failed(error) => Err(error.clone().into()),
            Part::Head(parser) => match parser.feed(buf) {
                Ok(Fed::Wanting) => Ok(buf.len()),
                Ok(Fed::Complete(head, used)) => {
                    self.part = Part::Held(head);
                    Ok(used)
                }
                Err(error) => {
                    self.part = Part::Failed(error.clone());
                    Err(error.into())
                }
            },
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.release(Mark::Flush)?;
        self.writer.flush()
    }

    /// Whether the program has said all that it had to when it ended.
    fn check_complete(&mut self) -> io::Result<()> {
        match &self.part {
            Part::Head(_) => Err(HeadError::Incomplete.into()),
            Part::Failed(error) => Err(error.clone().into()),
            Part::Held(_) | Part::Body => Ok(()),
        }
    }
}

impl<W: Outlet> Write for Output<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

impl<W: Outlet> fmt::Debug for Output<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output")
    }
}
