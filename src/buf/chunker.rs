//! Cuts writes into chunks. Nothing here waits.

use std::io;
use std::mem;
#[cfg(feature = "stream")]
use std::task::Poll;

use bytes::{Bytes, BytesMut};

use super::thread_cache;

/// The smallest size of a buffer: a bridge that writes a hundred bytes should not pay for a whole chunk.
const MIN_BUFFER: usize = 512;

/// How one write is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The write joins the pending bytes.
    Join,
    /// The first bytes, of this number, complete the pending chunk; the rest starts the next chunk.
    Complete(usize),
    /// The write is a chunk by itself, after the pending bytes.
    Whole,
}

/// Returns how to cut a write of `len` bytes after `pending` bytes, which are fewer than `chunk_size`.
pub(crate) fn cut(pending: usize, len: usize, chunk_size: usize) -> Cut {
    if len >= chunk_size {
        Cut::Whole
    } else if pending + len < chunk_size {
        Cut::Join
    } else {
        Cut::Complete(chunk_size - pending)
    }
}

/// The bytes that do not make a whole chunk yet.
#[derive(Debug)]
pub(crate) struct Pending {
    bytes: BytesMut,
    /// A write that keeps `bytes` below this size joins. With `unbuffered()` it is 0.
    chunk_size: usize,
    /// The amount by which the buffer grows next.
    growth: usize,
    /// The size for which `thread_cache` returned the buffer, if it did.
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

    /// Appends a write that only joins, and returns `true` if it did. The path of nearly every small write.
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

    /// Makes room for `len` bytes. The first chunk of a bridge grows as a `Vec` does. A later chunk gets its whole
    /// buffer at once: the last chunk's memory if that was dropped, otherwise an earlier one's.
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

    /// Leaves the buffer to later chunks of this thread.
    fn retire(&mut self) {
        if let Some(size) = self.spare.take() {
            self.bytes.clear();
            thread_cache::keep(size, mem::take(&mut self.bytes));
        }
    }

    /// Returns the pending bytes as a chunk, or `None` if there are none.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        if self.bytes.is_empty() {
            return None;
        }
        Some(self.bytes.split().freeze())
    }

    /// Makes every later write fail to join: the bridge is closed.
    pub(crate) fn close(&mut self) {
        self.chunk_size = 0;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.retire();
    }
}

/// Writes all of `buf`, in several writes if needed, as `Write::write_all` does.
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

/// Writes all buffers in order, as `Write::write_vectored` does for this crate's blocking writers.
pub(crate) fn write_each(writer: &mut impl io::Write, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
    bufs.iter().try_fold(0, |written, buf| writer.write_all(buf).map(|()| written + buf.len()))
}

/// Writes the buffers in order, as far as there is room.
#[cfg(feature = "stream")]
pub(crate) fn poll_write_each(
    bufs: &[io::IoSlice<'_>],
    mut poll_write: impl FnMut(&[u8]) -> Poll<io::Result<usize>>,
) -> Poll<io::Result<usize>> {
    let mut written = 0;
    for buf in bufs {
        match poll_write(buf) {
            Poll::Ready(Ok(len)) if len == buf.len() => written += len,
            // The next buffer's bytes must not overtake the rest of this one's.
            Poll::Ready(Ok(len)) => return Poll::Ready(Ok(written + len)),
            // The earlier bytes are accepted; the next call fails or waits again.
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
