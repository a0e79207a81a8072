//! What is written by hand today around a channel or a pipe, with a thread for the program.

use std::io::{self, BufWriter, Read, Write};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use bytes::{Bytes, BytesMut};

use super::contender::{Bridge, Program, Sizes};

/// A `Write` that gathers bytes in a `BytesMut` and sends chunks. Large writes are split too: a queue of chunks is
/// bounded in bytes only if its chunks are.
pub struct Gather<F> {
    chunk: usize,
    buffer: BytesMut,
    send: F,
}

impl<F: FnMut(Bytes) -> io::Result<()>> Gather<F> {
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

pub fn crossbeam(sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
    let (sender, receiver) = crossbeam_channel::bounded::<Bytes>(sizes.places());
    let producer = gathered(sizes, program, move |chunk| sender.send(chunk).map_err(gone))?;
    Ok(Box::new(Received { receive: move || receiver.recv().ok(), producer }))
}

pub fn sync_channel(sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
    let (sender, receiver) = mpsc::sync_channel::<Bytes>(sizes.places());
    let producer = gathered(sizes, program, move |chunk| sender.send(chunk).map_err(gone))?;
    Ok(Box::new(Received { receive: move || receiver.recv().ok(), producer }))
}

pub fn tokio_mpsc(sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<Bytes>(sizes.places());
    let producer = gathered(sizes, program, move |chunk| sender.blocking_send(chunk).map_err(gone))?;
    Ok(Box::new(Received { receive: move || receiver.blocking_recv(), producer }))
}

/// Opens a pipe of the operating system, with buffers of a chunk at both ends. The system decides its capacity.
pub fn os_pipe(sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
    let (reader, writer) = io::pipe()?;
    let producer = Producer::start(move || {
        let mut w = BufWriter::with_capacity(sizes.chunk, writer);
        program.run(&mut w)?;
        w.flush()
    })?;
    Ok(Box::new(ReadInto { reader, buffer: vec![0; sizes.chunk], producer }))
}

pub fn gone<E>(_: E) -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

/// Starts a thread for a program whose chunks are sent.
pub fn gathered(
    sizes: Sizes,
    program: impl Program,
    send: impl FnMut(Bytes) -> io::Result<()> + Send + 'static,
) -> io::Result<Producer> {
    Producer::start(move || {
        let mut w = Gather::new(sizes.chunk, send);
        program.run(&mut w)?;
        w.flush()
    })
}

/// The program's thread, until it is joined.
pub struct Producer(Option<JoinHandle<io::Result<()>>>);

impl Producer {
    pub fn start(run: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<Producer> {
        Ok(Producer(Some(thread::Builder::new().spawn(run)?)))
    }

    /// Joins the program's thread at the end of the stream, and returns the program's result.
    pub fn finish(&mut self) -> io::Result<()> {
        match self.0.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the program panicked")),
            None => Ok(()),
        }
    }
}

/// The receiving end of a channel.
pub struct Received<R> {
    pub receive: R,
    pub producer: Producer,
}

impl<R: FnMut() -> Option<Bytes>> Bridge for Received<R> {
    fn pull(&mut self, take: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        let Some(chunk) = (self.receive)() else { return self.producer.finish().map(|()| false) };
        take(&chunk);
        Ok(true)
    }
}

/// The reading end of a pipe.
pub struct ReadInto<R> {
    pub reader: R,
    pub buffer: Vec<u8>,
    pub producer: Producer,
}

impl<R: Read> Bridge for ReadInto<R> {
    fn pull(&mut self, take: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        match self.reader.read(&mut self.buffer)? {
            0 => self.producer.finish().map(|()| false),
            len => {
                take(&self.buffer[..len]);
                Ok(true)
            }
        }
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
