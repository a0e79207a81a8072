//! Bounded queues of chunks, with what is written by hand around them: a writer that gathers, and a thread for the
//! program.

use std::io::{self, Write};
use std::thread::{self, JoinHandle};

use bytes::{Bytes, BytesMut};

use crate::contender::{About, Bridge, Contender, Program, Sizes};

/// A bounded queue of chunks. Each queue is a [`Contender`].
///
/// ```
/// use std::io;
/// use std::sync::mpsc;
///
/// use bytes::Bytes;
/// use pushpull_bench::{About, Lack, Queue, gone};
///
/// #[derive(Clone)]
/// struct Mine;
///
/// impl Queue for Mine {
///     fn about(&self) -> About {
///         About::new("mine").lacks(&[Lack::Bytes, Lack::Truncation])
///     }
///
///     fn ends(
///         &self,
///         places: usize,
///     ) -> (impl FnMut(Bytes) -> io::Result<()> + Send + 'static, impl FnMut() -> Option<Bytes> + 'static) {
///         let (sender, receiver) = mpsc::sync_channel(places);
///         (move |chunk| sender.send(chunk).map_err(gone), move || receiver.recv().ok())
///     }
/// }
/// ```
pub trait Queue: Clone + Send + Sync + 'static {
    /// Describes it.
    fn about(&self) -> About;

    /// Creates a queue with this number of places.
    ///
    /// The first end sends a chunk, and waits while the queue is full. It is an error if the other end is gone. The
    /// second receives one, and waits while the queue is empty. It returns `None` if the first end is gone.
    fn ends(
        &self,
        places: usize,
    ) -> (impl FnMut(Bytes) -> io::Result<()> + Send + 'static, impl FnMut() -> Option<Bytes> + 'static);
}

impl<Q: Queue> Contender for Q {
    fn about(&self) -> About {
        Queue::about(self)
    }

    fn open(&self, sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
        let (send, receive) = self.ends(sizes.places());
        let producer = Producer::start(move || {
            let mut w = Gather::new(sizes.chunk, send);
            program.run(&mut w)?;
            w.flush()
        })?;
        Ok(Box::new(Received { receive, producer }))
    }

    fn hand_over(&self, chunk: Bytes, times: usize) -> Option<io::Result<usize>> {
        let (mut send, mut receive) = self.ends(Sizes::DEFAULT.capacity / chunk.len());
        let producer = Producer::start(move || (0..times).try_for_each(|_| send(chunk.clone())));
        Some(producer.and_then(|mut producer| {
            let mut bytes = 0;
            while let Some(chunk) = receive() {
                bytes += chunk.len();
            }
            producer.finish().map(|()| bytes)
        }))
    }
}

/// Returns the error of a write whose reader is gone.
pub fn gone<E>(_: E) -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

/// A `Write` that gathers bytes in a `BytesMut` and sends chunks. Large writes are split too: a queue of chunks is
/// bounded in bytes only if its chunks are.
#[derive(Debug)]
pub struct Gather<F> {
    chunk: usize,
    buffer: BytesMut,
    send: F,
}

impl<F: FnMut(Bytes) -> io::Result<()>> Gather<F> {
    /// Creates a writer of chunks of this size.
    pub fn new(chunk: usize, send: F) -> Self {
        Gather { chunk, buffer: BytesMut::with_capacity(chunk), send }
    }
}

impl<F: FnMut(Bytes) -> io::Result<()>> Write for Gather<F> {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let part = buf.len().min(self.chunk - self.buffer.len());
        self.buffer.extend_from_slice(&buf[..part]);
        if self.buffer.len() == self.chunk {
            self.flush()?;
        }
        Ok(part)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = self.buffer.split().freeze();
        self.buffer.reserve(self.chunk);
        (self.send)(chunk)
    }
}

/// The program's thread, until it is joined.
pub(crate) struct Producer(Option<JoinHandle<io::Result<()>>>);

impl Producer {
    pub(crate) fn start(run: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<Producer> {
        Ok(Producer(Some(thread::Builder::new().spawn(run)?)))
    }

    /// Joins the program's thread at the end of the stream, and returns the program's result.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match self.0.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the program panicked")),
            None => Ok(()),
        }
    }
}

struct Received<R> {
    receive: R,
    producer: Producer,
}

impl<R: FnMut() -> Option<Bytes>> Bridge for Received<R> {
    fn pull(&mut self, take: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        let Some(chunk) = (self.receive)() else { return self.producer.finish().map(|()| false) };
        take(&chunk);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathered_and_queued_bytes_stay_within_the_capacity() {
        let sizes = Sizes { chunk: 8, capacity: 32 };
        let mut chunks = Vec::new();
        let mut gather = Gather::new(sizes.chunk, |chunk: Bytes| {
            chunks.push(chunk.len());
            Ok(())
        });
        for write in [3, 20, 1, 8] {
            gather.write_all(&vec![7; write]).unwrap();
        }
        gather.flush().unwrap();
        assert_eq!(chunks, [8, 8, 8, 8]);
        assert_eq!((sizes.places() + 1) * sizes.chunk, sizes.capacity);
    }
}
