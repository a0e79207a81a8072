//! Small writes into chunks. Nothing here waits.

use std::io;
use std::mem;
#[cfg(feature = "stream")]
use std::task::Poll;

use bytes::{Bytes, BytesMut};

use super::thread_cache;

/// The least that a buffer grows to: a bridge that writes a hundred bytes should not pay for a whole chunk.
const MIN_BUFFER: usize = 512;

/// What becomes of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It joins what is pending.
    Join,
    /// So many of its bytes complete the pending chunk; the rest begins the next.
    Complete(usize),
    /// It is a chunk of its own, after what is pending.
    Whole,
}

/// Where a write of `len` bytes is cut when `pending` bytes (fewer than `chunk_size`) wait for company.
pub(crate) fn cut(pending: usize, len: usize, chunk_size: usize) -> Cut {
    if len >= chunk_size {
        Cut::Whole
    } else if pending + len < chunk_size {
        Cut::Join
    } else {
        Cut::Complete(chunk_size - pending)
    }
}

/// The writes that wait for company.
#[derive(Debug)]
pub(crate) struct Pending {
    bytes: BytesMut,
    /// A write that keeps `bytes` below this joins; `unbuffered()` is a chunk size of nothing.
    chunk_size: usize,
    /// How much room is taken when there is none left.
    growth: usize,
    /// For how many bytes `spare` gave the memory, if it did.
    spare: Option<usize>,
}

impl Pending {
    #[inline]
    pub(crate) fn new(chunk_size: usize, unbuffered: bool) -> Pending {
        Pending {
            bytes: BytesMut::new(),
            chunk_size: if unbuffered { 0 } else { chunk_size },
            growth: MIN_BUFFER,
            spare: None,
        }
    }

    /// Takes in a write that only joins, and says whether it was one. The way of nearly every small write.
    #[inline]
    pub(crate) fn join(&mut self, write: &[u8]) -> bool {
        let joined = self.bytes.len() + write.len() < self.chunk_size;
        if joined {
            self.append(write);
        }
        joined
    }

    pub(crate) fn chunk_size(&self) -> usize {
        self.chunk_size
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn cut(&self, len: usize) -> Cut {
        cut(self.bytes.len(), len, self.chunk_size)
    }

    #[inline]
    pub(crate) fn append(&mut self, write: &[u8]) {
        if self.bytes.capacity() - self.bytes.len() < write.len() {
            self.grow(write.len());
        }
        self.bytes.extend_from_slice(write);
    }

    /// The first chunk of a bridge grows as a `Vec` does; later ones take their whole room at once, which is the last
    /// chunk's memory if the puller is done with that, or else an earlier one's.
    #[cold]
    fn grow(&mut self, len: usize) {
        if self.bytes.is_empty() && self.growth == self.chunk_size && len <= self.chunk_size {
            if !self.bytes.try_reclaim(self.chunk_size) {
                self.retire();
                self.bytes = thread_cache::take(self.chunk_size);
                self.spare = Some(self.chunk_size);
            }
            return;
        }
        let most = self.chunk_size.saturating_sub(self.bytes.len()).max(len);
        self.bytes.reserve(self.growth.clamp(len, most));
        self.growth = (self.growth * 2).min(self.chunk_size);
    }

    /// Leaves the memory to later chunks of this thread.
    fn retire(&mut self) {
        if let Some(size) = self.spare.take() {
            self.bytes.clear();
            thread_cache::keep(size, mem::take(&mut self.bytes));
        }
    }

    /// What is pending, as a chunk; `None` rather than an empty one.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        if self.bytes.is_empty() {
            return None;
        }
        Some(self.bytes.split().freeze())
    }

    /// From here on no write joins: the bridge is closed.
    pub(crate) fn close(&mut self) {
        self.chunk_size = 0;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.retire();
    }
}

/// Writes all of `buf` in as many writes as it takes, as `Write::write_all` does.
pub(crate) fn write_all(mut buf: &[u8], mut write: impl FnMut(&[u8]) -> io::Result<usize>) -> io::Result<()> {
    while !buf.is_empty() {
        match write(buf) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => buf = &buf[len..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes all of every buffer, in order, as a blocking `Write::write_vectored` of this crate does.
pub(crate) fn write_each(writer: &mut impl io::Write, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
    bufs.iter().try_fold(0, |written, buf| writer.write_all(buf).map(|()| written + buf.len()))
}

/// Writes one buffer after the other as far as there is room.
#[cfg(feature = "stream")]
pub(crate) fn poll_write_each(
    bufs: &[io::IoSlice<'_>],
    mut poll_write: impl FnMut(&[u8]) -> Poll<io::Result<usize>>,
) -> Poll<io::Result<usize>> {
    let mut written = 0;
    for buf in bufs {
        match poll_write(buf) {
            Poll::Ready(Ok(len)) if len == buf.len() => written += len,
            // The next buffer's bytes may not overtake the rest of this one's.
            Poll::Ready(Ok(len)) => return Poll::Ready(Ok(written + len)),
            // What went before is accepted; the next call fails, or waits, again.
            Poll::Ready(Err(_)) | Poll::Pending if written > 0 => break,
            unwritten => return unwritten,
        }
    }
    Poll::Ready(Ok(written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_keeps_chunks_at_the_size_and_loses_nothing() {
        for chunk_size in 1..=8 {
            for pending in 0..chunk_size {
                for len in 0..=20 {
                    match cut(pending, len, chunk_size) {
                        Cut::Join => assert!(pending + len < chunk_size),
                        Cut::Complete(part) => {
                            assert_eq!(pending + part, chunk_size);
                            assert!(part <= len && len < chunk_size);
                        }
                        Cut::Whole => assert!(len >= chunk_size),
                    }
                }
            }
        }
    }

    #[test]
    fn unbuffered_joins_nothing() {
        let mut pending = Pending::new(100, true);
        assert!(!pending.join(b"a"));
        assert_eq!(pending.cut(1), Cut::Whole);
        assert_eq!(pending.take(), None);
    }

    #[test]
    fn a_recycled_buffer_is_the_same_memory() {
        let mut pending = Pending::new(1 << 10, false);
        let fill = [1; 1 << 10];
        pending.append(&fill);
        drop(pending.take());
        pending.append(&fill);
        let chunk = pending.take().unwrap();
        let place = chunk.as_ptr();
        drop(chunk);
        pending.append(&fill);
        assert_eq!(pending.take().unwrap().as_ptr(), place);
    }
}
