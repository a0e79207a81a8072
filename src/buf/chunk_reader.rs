//! Chunks in, bytes out: the common part of every reader.

use std::io;
use std::task::{Poll, ready};

use bytes::{Buf, Bytes};

use crate::error::{Echo, uninterrupted};
use crate::stats::Stats;

/// The chunk being read, and how the chunks ended.
#[derive(Debug, Default)]
pub(crate) struct Input {
    current: Bytes,
    end: Option<Result<(), Echo>>,
    bytes: u64,
    chunks: u64,
}

impl Input {
    /// Creates the input of a reader, for chunks that may have failed before the reader was made.
    pub(crate) fn after(failed: Option<Echo>) -> Input {
        Input { end: failed.map(Err), ..Input::default() }
    }

    #[inline]
    pub(crate) fn buffer(&self) -> &[u8] {
        &self.current
    }

    #[inline]
    pub(crate) fn consume(&mut self, len: usize) {
        self.current.advance(len);
    }

    /// Asks `next` for chunks until there are bytes or the end is reached.
    ///
    /// # Errors
    ///
    /// Returns the error of `next` as `First`. Every later call returns an error of the same kind as `Again`.
    pub(crate) fn fill(&mut self, mut next: impl FnMut() -> Option<io::Result<Bytes>>) -> Result<(), Failure> {
        match self.poll_fill(|| Poll::Ready(next())) {
            Poll::Ready(filled) => filled,
            Poll::Pending => unreachable!("a ready chunk was reported as pending"),
        }
    }

    /// Does the same as [`fill`](Input::fill), for chunks that may not be ready yet.
    pub(crate) fn poll_fill(
        &mut self,
        mut poll: impl FnMut() -> Poll<Option<io::Result<Bytes>>>,
    ) -> Poll<Result<(), Failure>> {
        while self.current.is_empty() {
            match &self.end {
                Some(Ok(())) => break,
                Some(Err(echo)) => return Poll::Ready(Err(Failure::Again(echo.error()))),
                None => {}
            }
            match ready!(poll()) {
                Some(Ok(chunk)) => self.take(chunk),
                Some(Err(error)) => return Poll::Ready(Err(Failure::First(self.fail(error)))),
                None => self.end = Some(Ok(())),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn take(&mut self, chunk: Bytes) {
        self.bytes += chunk.len() as u64;
        self.chunks += u64::from(!chunk.is_empty());
        self.current = chunk;
    }

    /// Returns what was read, for a reader of chunks that are not queued.
    pub(crate) fn stats(&self) -> Stats {
        Stats::unqueued(self.bytes, self.chunks)
    }

    /// Forgets the end, so that more chunks can be read.
    pub(crate) fn reopen(&mut self) {
        self.end = None;
    }

    /// Notes that the chunks ended with this error, and returns it.
    fn fail(&mut self, error: io::Error) -> io::Error {
        let error = uninterrupted(error);
        self.end = Some(Err(Echo::of(&error)));
        error
    }
}

/// A failed read.
pub(crate) enum Failure {
    /// The original error.
    First(io::Error),
    /// A copy of it, for a reader that reads again.
    Again(io::Error),
}

/// Copies bytes out of `buffer`, as `Read::read` does, and returns their number.
pub(crate) fn read_from(buffer: &[u8], into: &mut [u8]) -> usize {
    let len = buffer.len().min(into.len());
    into[..len].copy_from_slice(&buffer[..len]);
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_2_a_failed_reader_fails_again_with_the_same_kind() {
        let mut input = Input::default();
        let mut chunks = [Ok(Bytes::new()), Err(io::ErrorKind::TimedOut.into())].into_iter();
        assert!(matches!(input.fill(|| chunks.next()), Err(Failure::First(e)) if e.kind() == io::ErrorKind::TimedOut));
        assert!(matches!(input.fill(|| None), Err(Failure::Again(e)) if e.kind() == io::ErrorKind::TimedOut));
    }

    #[test]
    fn law_15_interrupted_does_not_escape() {
        let mut input = Input::default();
        let failure = input.fill(|| Some(Err(io::ErrorKind::Interrupted.into())));
        assert!(matches!(failure, Err(Failure::First(e)) if e.kind() == io::ErrorKind::Other));
    }
}
