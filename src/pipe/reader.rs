//! Chunks as `Read` and `BufRead`.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::iter;
use std::sync::Arc;

use bytes::Bytes;

use super::{Chunks, Writer};
use crate::error::{Echo, Error};
use crate::input::{Failure, Input, read_from};
use crate::program::Program;

/// A [`Read`] and [`BufRead`] over chunks.
///
/// It is what a program given to [`Thread::push`](crate::Thread::push) or [`Thread::filter`](crate::Thread::filter)
/// reads from, and what [`Chunks::into_reader`](crate::Chunks::into_reader) makes. A read gives what there is, up to the
/// end of a chunk, and waits only when there is nothing.
///
/// ```
/// use std::io::{Read, Write};
///
/// let mut sum = pushpull::Thread::new().push(|r| Ok(r.bytes().filter_map(Result::ok).map(u64::from).sum::<u64>()));
/// sum.write_all(&[1, 2, 3])?;
/// assert_eq!(sum.finish()?, 6);
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
///
/// The error that the chunks ended with, and after it, for ever, errors of the same kind: a reader that has failed never
/// reports an end. A program that goes on reading after 64 of them is unwound.
pub struct Reader {
    source: Box<dyn Iterator<Item = io::Result<Bytes>> + Send>,
    input: Input,
    /// The program that an engine runs with this reader.
    program: Option<Arc<Program>>,
}

impl Reader {
    pub(crate) fn of_iterator(chunks: impl Iterator<Item = io::Result<Bytes>> + Send + 'static) -> Reader {
        Reader { source: Box::new(chunks), input: Input::default(), program: None }
    }

    /// The reader of a program that an engine runs.
    pub(crate) fn of_program(
        chunks: impl Iterator<Item = io::Result<Bytes>> + Send + 'static,
        program: Arc<Program>,
    ) -> Reader {
        Reader { program: Some(program), ..Reader::of_iterator(chunks) }
    }

    /// A reader of chunks, and of how they have failed, if they have.
    pub(super) fn of_chunks(chunks: Chunks, failed: Option<Echo>) -> Reader {
        Reader { input: Input::after(failed), ..Reader::of_iterator(chunks) }
    }

    /// A reader of a filter's source. It reads no more once nobody wants what the filter writes.
    pub(super) fn of_source(
        mut source: impl Iterator<Item = io::Result<Bytes>> + Send + 'static,
        writer: &Writer,
    ) -> Reader {
        let output = writer.channel().cloned();
        let wanted = iter::from_fn(move || match &output {
            Some(channel) if channel.is_closed() => Some(Err(Error::disconnected())),
            _ => source.next(),
        });
        Reader { program: writer.program().cloned(), ..Reader::of_iterator(wanted) }
    }

    fn refill(&mut self) -> io::Result<()> {
        let source = &mut self.source;
        self.input.fill(|| source.next()).map_err(|failure| match (failure, &self.program) {
            (Failure::Again(error), Some(program)) => program.refuse(error),
            (Failure::Again(error) | Failure::First(error), _) => error,
        })
    }
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = read_from(self.fill_buf()?, into);
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for Reader {
    #[inline]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.input.buffer().is_empty() {
            self.refill()?;
        }
        Ok(self.input.buffer())
    }

    #[inline]
    fn consume(&mut self, len: usize) {
        self.input.consume(len.min(self.input.buffer().len()));
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("buffered", &self.input.buffer().len()).finish_non_exhaustive()
    }
}
