//! The reader of a program on the calling thread, and of a host that reads such a program's chunks.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::task::Poll;
#[cfg(feature = "stream")]
use std::task::{Context, ready};

use bytes::Bytes;

use super::Chunks;
use super::chunks::Next;
use super::exchange::{Given, Link};
use crate::buf::chunk_reader::{Failure, Input, read_from};
use crate::error::{Echo, Error};
use crate::stats::Stats;

/// A [`Read`] and [`BufRead`] over chunks, on the calling thread.
///
/// A program given to [`Local::push`](crate::Local::push) or [`Local::filter`](crate::Local::filter) reads from one.
/// [`Chunks::into_reader`] makes one of chunks.
///
/// # Examples
///
/// ```
/// use std::io::{BufRead, Write};
///
/// let chunks = pushpull::Local::new().pull(|w| w.write_all(b"push\npull\n"));
/// let lines: Vec<_> = chunks.into_reader().lines().collect::<Result<_, _>>()?;
/// assert_eq!(lines, ["push", "pull"]);
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
///
/// If the chunks end with an error, a read returns it. Every later read returns an error of the same kind: a reader
/// that has failed never reports an end.
///
/// # Panics
///
/// A program that ignores 64 such errors is unwound by its next read, as by a write: see
/// [`Writer`](crate::local::Writer).
pub struct Reader {
    source: LocalSource,
    input: Input,
    /// How many bytes of a lent write have been read.
    lent_read: usize,
}

enum LocalSource {
    Host(Link),
    Chunks(Chunks),
    /// Any iterator. A filter's source comes with the link of the filter's output.
    Iterator(Box<dyn Iterator<Item = io::Result<Bytes>>>, Option<Link>),
}

impl Reader {
    /// Creates a reader of the chunks of an iterator, which need not be `Send`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::BufRead;
    /// use std::rc::Rc;
    /// use bytes::Bytes;
    ///
    /// let texts = Rc::new(["one\ntw", "o\n"]);
    /// let chunks = (0..2).map(move |n| std::io::Result::Ok(Bytes::from_static(texts[n].as_bytes())));
    /// let lines: Vec<_> = pushpull::local::Reader::new(chunks).lines().collect::<Result<_, _>>()?;
    /// assert_eq!(lines, ["one", "two"]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new<I>(chunks: I) -> Reader
    where
        I: IntoIterator<Item = io::Result<Bytes>>,
        I::IntoIter: 'static,
    {
        Reader::of(LocalSource::Iterator(Box::new(chunks.into_iter()), None))
    }

    fn of(source: LocalSource) -> Reader {
        Reader { source, input: Input::default(), lent_read: 0 }
    }

    /// Creates a reader of what the host gives.
    pub(super) fn fed(link: Link) -> Reader {
        Reader::of(LocalSource::Host(link))
    }

    /// Creates a reader of chunks, which may have failed already.
    pub(super) fn of_chunks(chunks: Chunks, failed: Option<Echo>) -> Reader {
        Reader { input: Input::after(failed), ..Reader::of(LocalSource::Chunks(chunks)) }
    }

    /// Creates a reader of a filter's source. If the filter's output is closed, its reads fail.
    pub(super) fn of_source(chunks: impl Iterator<Item = io::Result<Bytes>> + 'static, output: Link) -> Reader {
        Reader::of(LocalSource::Iterator(Box::new(chunks), Some(output)))
    }

    /// Returns what this reader has taken so far.
    pub fn stats(&self) -> Stats {
        match &self.source {
            LocalSource::Chunks(chunks) => chunks.stats(),
            LocalSource::Host(_) | LocalSource::Iterator(..) => self.input.stats(),
        }
    }

    /// Returns what the program behind this reader lends and this reader has not read yet.
    #[inline]
    fn lent(&self) -> &[u8] {
        match &self.source {
            LocalSource::Chunks(chunks) => chunks.lent().get(self.lent_read..).unwrap_or_default(),
            _ => &[],
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        let filled = match &mut self.source {
            LocalSource::Host(link) => self.input.fill(|| receive(link)),
            LocalSource::Iterator(chunks, output) => self.input.fill(|| match output {
                Some(output) if output.frame.is_closed() => Some(Err(Error::disconnected())),
                _ => chunks.next(),
            }),
            LocalSource::Chunks(_) => match self.poll_chunks(|chunks| Poll::Ready(chunks.advance(None))) {
                Poll::Ready(filled) => filled,
                Poll::Pending => unreachable!("a ready chunk was reported as pending"),
            },
        };
        filled.map_err(|failure| match (failure, &self.source) {
            (Failure::Again(error), LocalSource::Host(link) | LocalSource::Iterator(_, Some(link))) => {
                link.refuse(error)
            }
            (Failure::Again(error) | Failure::First(error), _) => error,
        })
    }

    /// Takes the next chunk that `advance` returns.
    fn poll_chunks(&mut self, mut advance: impl FnMut(&mut Chunks) -> Poll<Next>) -> Poll<Result<(), Failure>> {
        let LocalSource::Chunks(chunks) = &mut self.source else { return Poll::Ready(Ok(())) };
        let lent_read = &mut self.lent_read;
        let mut lent = false;
        let filled = self.input.poll_fill(|| {
            advance(chunks).map(|next| match next {
                Next::Chunk(chunk) => Some(Ok(chunk)),
                Next::Error(error) => Some(Err(error)),
                // Not the end: the bytes are read in place.
                Next::Lent => {
                    // Reset only here: after a poll that only yields, the program still lends the previous write.
                    *lent_read = 0;
                    lent = true;
                    None
                }
                Next::End | Next::Waiting => None,
            })
        });
        if lent {
            self.input.reopen();
        }
        filled
    }

    /// Polls for the next bytes. In a program's own reader this is `fill_buf`, because there the program itself waits.
    #[cfg(feature = "stream")]
    pub(crate) fn poll_buf(&mut self, context: &Context<'_>) -> Poll<io::Result<&[u8]>> {
        if self.input.buffer().is_empty()
            && self.lent().is_empty()
            && let LocalSource::Chunks(_) = self.source
            && let Err(Failure::Again(error) | Failure::First(error)) =
                ready!(self.poll_chunks(|chunks| chunks.poll_advance(context)))
        {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(self.fill_buf())
    }
}

fn receive(link: &Link) -> Option<io::Result<Bytes>> {
    match link.receive() {
        Some(Given::Chunk(chunk)) => Some(Ok(chunk)),
        Some(Given::Error(error)) => Some(Err(error)),
        Some(Given::End) => None,
        None => Some(Err(Error::disconnected())),
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
        if self.input.buffer().is_empty() && self.lent().is_empty() {
            self.refill()?;
        }
        Ok(match self.input.buffer() {
            [] => self.lent(),
            buffer => buffer,
        })
    }

    #[inline]
    fn consume(&mut self, len: usize) {
        match self.input.buffer() {
            [] => self.lent_read += len.min(self.lent().len()),
            buffer => {
                let len = len.min(buffer.len());
                self.input.consume(len);
            }
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buffered = self.input.buffer().len() + self.lent().len();
        f.debug_struct("Reader").field("buffered", &buffered).finish_non_exhaustive()
    }
}
