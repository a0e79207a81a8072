//! A batch of chunks for one vectored write.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

use bytes::{Buf, Bytes};

/// The maximum number of chunks in one vectored write.
const MAX_SLICES: usize = 64;

/// The number of bytes at which a batch is full.
const MAX_GATHERED: usize = 64 * 1024;

#[derive(Default)]
pub(crate) struct Gathered {
    chunks: VecDeque<Bytes>,
    bytes: usize,
}

impl Gathered {
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.bytes += chunk.len();
            self.chunks.push_back(chunk);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.chunks.len() >= MAX_SLICES || self.bytes >= MAX_GATHERED
    }

    /// Calls `write` with the slices for one vectored write.
    pub(crate) fn with_slices<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            *slice = IoSlice::new(chunk);
            count += 1;
        }
        write(&slices[..count])
    }

    /// Removes the written bytes and returns their number: 0 if the write was interrupted and must be repeated.
    pub(crate) fn settle(&mut self, written: io::Result<usize>) -> io::Result<u64> {
        match written {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(written) if written > self.bytes => {
                Err(io::Error::other(format!("the sink says that it took {written} bytes of {}", self.bytes)))
            }
            Ok(written) => {
                self.forget(written);
                Ok(written as u64)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn forget(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(chunk) = self.chunks.front_mut() {
            if written < chunk.len() {
                chunk.advance(written);
                return;
            }
            written -= chunk.len();
            self.chunks.pop_front();
        }
    }
}

/// Flushes `sink`, and repeats interrupted flushes: `write_all` repeats an interrupted write, but nothing repeats a
/// flush.
pub(crate) fn flush(sink: &mut (impl Write + ?Sized)) -> io::Result<()> {
    loop {
        match sink.flush() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            flushed => return flushed,
        }
    }
}
