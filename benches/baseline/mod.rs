//! What people write by hand today, doing the same work as the bridges beside it.
#![allow(dead_code, reason = "each benchmark uses its own part")]

pub mod cores;

use std::io::{self, BufWriter, Read, Write};
use std::sync::mpsc;
use std::thread;

use bytes::{Bytes, BytesMut};

/// The default chunk size of the bridges, so that all cut alike.
pub const CHUNK: usize = 32 * 1024;

/// As many chunks as the default capacity of the bridges holds.
pub const QUEUE: usize = 8;

/// What a consumer does with every chunk: it reads every byte, so that nobody is measured without moving them.
#[derive(Default)]
pub struct Consumed {
    bytes: u64,
    sum: u64,
}

impl Consumed {
    #[inline]
    pub fn take(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        let (words, rest) = chunk.as_chunks::<8>();
        let words = words.iter().fold(0, |sum: u64, word| sum.wrapping_add(u64::from_ne_bytes(*word)));
        self.sum = rest.iter().fold(self.sum.wrapping_add(words), |sum, byte| sum.wrapping_add(u64::from(*byte)));
    }

    pub fn expect(self, bytes: u64) -> u64 {
        assert_eq!(self.bytes, bytes, "bytes were lost or made up");
        self.sum
    }
}

/// A program that makes `total` bytes in writes of `size`.
pub fn writes(w: &mut impl Write, data: &[u8], total: usize) -> io::Result<()> {
    for _ in 0..total / data.len() {
        w.write_all(data)?;
    }
    Ok(())
}

/// A `Write` that gathers into a `BytesMut` and sends chunks, as one writes it by hand around a channel.
pub struct Gather<F> {
    buffer: BytesMut,
    send: F,
}

impl<F: FnMut(Bytes) -> io::Result<()>> Gather<F> {
    pub fn new(send: F) -> Self {
        Gather { buffer: BytesMut::with_capacity(CHUNK), send }
    }
}

impl<F: FnMut(Bytes) -> io::Result<()>> Write for Gather<F> {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(buf);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = self.buffer.split().freeze();
        self.buffer.reserve(CHUNK);
        (self.send)(chunk)
    }
}

fn gone<E>(_: E) -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

/// A writer around a channel. The call that sends is made once a chunk.
pub type GatherInto = Gather<Box<dyn FnMut(Bytes) -> io::Result<()>>>;

fn gathered<P>(
    program: P,
    send: impl FnMut(Bytes) -> io::Result<()> + Send + 'static,
    chunks: impl Iterator<Item = Bytes>,
) -> Consumed
where
    P: FnOnce(&mut GatherInto) -> io::Result<()> + Send + 'static,
{
    let producer = thread::spawn(move || {
        let mut w: GatherInto = Gather::new(Box::new(send));
        program(&mut w)?;
        w.flush()
    });
    let mut consumed = Consumed::default();
    for chunk in chunks {
        consumed.take(&chunk);
    }
    producer.join().unwrap().unwrap();
    consumed
}

pub fn crossbeam<P>(program: P) -> Consumed
where
    P: FnOnce(&mut GatherInto) -> io::Result<()> + Send + 'static,
{
    let (sender, receiver) = crossbeam_channel::bounded::<Bytes>(QUEUE);
    gathered(program, move |chunk| sender.send(chunk).map_err(gone), receiver.into_iter())
}

pub fn sync_channel<P>(program: P) -> Consumed
where
    P: FnOnce(&mut GatherInto) -> io::Result<()> + Send + 'static,
{
    let (sender, receiver) = mpsc::sync_channel::<Bytes>(QUEUE);
    gathered(program, move |chunk| sender.send(chunk).map_err(gone), receiver.into_iter())
}

/// The operating system's own pipe, written through a buffer of a chunk.
pub fn io_pipe<P>(program: P) -> Consumed
where
    P: FnOnce(&mut BufWriter<io::PipeWriter>) -> io::Result<()> + Send + 'static,
{
    let (mut reader, writer) = io::pipe().unwrap();
    let producer = thread::spawn(move || {
        let mut w = BufWriter::with_capacity(CHUNK, writer);
        program(&mut w)?;
        w.flush()
    });
    let mut consumed = Consumed::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut buffer).unwrap() {
            0 => break,
            len => consumed.take(&buffer[..len]),
        }
    }
    producer.join().unwrap().unwrap();
    consumed
}
