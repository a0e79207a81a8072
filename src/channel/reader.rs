//! A `Read` and `BufRead` over chunks.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::iter;
use std::sync::Arc;
#[cfg(feature = "stream")]
use std::task::{Context, Poll};

use bytes::Bytes;

use super::{Channel, Chunks, Writer};
use crate::buf::chunk_reader::{Failure, Input, read_from};
use crate::error::{Echo, Error};
use crate::runtime::current;
use crate::stats::Stats;

/// A [`Read`] and [`BufRead`] over chunks.
///
/// Programs of [`Thread::push`](crate::Thread::push) and [`Thread::filter`](crate::Thread::filter) read from a
/// `Reader`, and [`Chunks::into_reader`](crate::Chunks::into_reader) makes one. A read returns available bytes, up to
/// the end of a chunk, and blocks only if there are none.
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
/// Returns the error with which the chunks ended. Each later read returns an error of the same kind: a reader that has
/// failed never reports a clean end.
///
/// # Panics
///
/// If a program ignores 64 such errors, its next read unwinds the program, as a write does: see
/// [`Writer`](crate::Writer).
pub struct Reader {
    source: ChunkSource,
    input: Input,
    /// The channel of the program that an engine runs with this reader.
    own: Option<Arc<Channel>>,
}

enum ChunkSource {
    Chunks(Box<Chunks>),
    /// A caller's iterator, or a filter's source.
    Iterator(Box<dyn Iterator<Item = io::Result<Bytes>> + Send>),
}

impl Reader {
    /// Creates a reader of chunks, in the order of the iterator.
    ///
    /// ```
    /// use std::io::BufRead;
    /// use bytes::Bytes;
    ///
    /// let chunks = ["one\ntw", "o\n"].map(|text| std::io::Result::Ok(Bytes::from_static(text.as_bytes())));
    /// let lines: Vec<_> = pushpull::Reader::new(chunks).lines().collect::<Result<_, _>>()?;
    /// assert_eq!(lines, ["one", "two"]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new<I>(chunks: I) -> Reader
    where
        I: IntoIterator<Item = io::Result<Bytes>>,
        I::IntoIter: Send + 'static,
    {
        Reader::of(ChunkSource::Iterator(Box::new(chunks.into_iter())))
    }

    fn of(source: ChunkSource) -> Reader {
        Reader { source, input: Input::default(), own: None }
    }

    /// Creates the reader of a program that an engine runs.
    pub(crate) fn of_program(channel: Arc<Channel>) -> Reader {
        let chunks = Chunks::new(channel.clone());
        Reader { own: Some(channel), ..Reader::of(ChunkSource::Chunks(Box::new(chunks))) }
    }

    /// Creates a reader of chunks that may have failed already.
    pub(super) fn of_chunks(chunks: Chunks, failed: Option<Echo>) -> Reader {
        Reader { input: Input::after(failed), ..Reader::of(ChunkSource::Chunks(Box::new(chunks))) }
    }

    /// Creates a reader of a filter's source. Its reads fail once the filter's output is closed.
    pub(crate) fn of_source(
        mut source: impl Iterator<Item = io::Result<Bytes>> + Send + 'static,
        writer: &Writer,
    ) -> Reader {
        let output = writer.channel().cloned();
        let wanted = iter::from_fn(move || match &output {
            Some(channel) if channel.is_closed() => Some(Err(Error::disconnected())),
            _ => source.next(),
        });
        Reader { own: writer.own().cloned(), ..Reader::of(ChunkSource::Iterator(Box::new(wanted))) }
    }

    /// Returns the counts of this bridge so far; bytes and chunks are those taken by this reader. For a filter's own
    /// source, where nothing is queued, the counts of waits and the peak are zero.
    pub fn stats(&self) -> Stats {
        let stats = match &self.source {
            ChunkSource::Chunks(chunks) => chunks.stats(),
            ChunkSource::Iterator(_) => self.input.stats(),
        };
        match &self.own {
            Some(channel) => Stats { longest_run: channel.program.longest_run(), ..stats },
            None => stats,
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        let filled = match &mut self.source {
            ChunkSource::Chunks(chunks) => self.input.fill(|| chunks.next()),
            ChunkSource::Iterator(chunks) => self.input.fill(|| chunks.next()),
        };
        filled.map_err(|failure| failed(failure, self.own.as_deref()))
    }

    /// Polls for bytes to read. A filter's own source is pulled as by `fill_buf`, inside the filter's program.
    #[cfg(feature = "stream")]
    pub(crate) fn poll_buf(&mut self, context: &Context<'_>) -> Poll<io::Result<&[u8]>> {
        let ChunkSource::Chunks(chunks) = &mut self.source else { return Poll::Ready(self.fill_buf()) };
        let filled = self.input.poll_fill(|| chunks.poll_in_turn(context));
        filled.map(|filled| {
            filled.map_err(|failure| failed(failure, self.own.as_deref()))?;
            Ok(self.input.buffer())
        })
    }
}

fn failed(failure: Failure, own: Option<&Channel>) -> io::Error {
    match (failure, own) {
        (Failure::Again(error), Some(channel)) => current::refuse(&channel.program, error),
        (Failure::Again(error) | Failure::First(error), _) => error,
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
