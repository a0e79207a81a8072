//! A bridge, and the program that writes into it.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use crc32fast::Hasher;
use futures_util::Stream;
use pushpull::{Chunks, Pool};
use serde::Serialize;

/// The number of records that each program writes.
const RECORDS: usize = 16;

/// The number of bytes that a program may write before it is suspended: one chunk.
const CHUNK: usize = 256;

#[derive(Serialize)]
struct Record<'a> {
    program: usize,
    record: usize,
    kind: &'a str,
    values: [u32; 3],
    ok: bool,
}

/// Returns a pool of one worker.
pub fn pool(stack: Option<usize>) -> Pool {
    let pool = Pool::new(1).chunk_size(CHUNK).capacity(CHUNK);
    stack.into_iter().fold(pool, Pool::stack_size)
}

/// Writes the records: the program. It works with anything that implements `Write`.
fn write_records(number: usize, w: &mut impl Write) -> io::Result<()> {
    for record in 0..RECORDS {
        let values = [number as u32, record as u32, (number * 31 + record) as u32];
        let record = Record { program: number, record, kind: "measurement", values, ok: number.is_multiple_of(2) };
        serde_json::to_writer(&mut *w, &record)?;
        w.write_all(b"\n")?;
    }
    Ok(())
}

/// A program's chunks, and a digest of those that were pulled. The chunks are dropped at once, as after sending them.
pub struct Bridge {
    number: usize,
    chunks: Chunks,
    pulled: Digest,
}

#[derive(Default)]
struct Digest {
    len: u64,
    crc: Hasher,
}

impl Digest {
    fn add(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        self.crc.update(bytes);
    }

    fn result(self) -> (u64, u32) {
        (self.len, self.crc.finalize())
    }
}

impl Bridge {
    pub fn new(pool: &Pool, number: usize) -> Bridge {
        let chunks = pool.pull(move |w| write_records(number, w));
        Bridge { number, chunks, pulled: Digest::default() }
    }

    /// Starts the program, as an asynchronous server does that polls for the first chunk.
    pub fn start(&mut self) -> io::Result<()> {
        match Pin::new(&mut self.chunks).poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(chunk) => self.take_in(chunk.transpose()?).map(drop),
            Poll::Pending => Ok(()),
        }
    }

    /// Pulls the next chunk. Returns `false` at the end.
    pub fn pull(&mut self) -> io::Result<bool> {
        let chunk = self.chunks.next().transpose()?;
        self.take_in(chunk)
    }

    fn take_in(&mut self, chunk: Option<Bytes>) -> io::Result<bool> {
        if let Some(chunk) = &chunk {
            self.pulled.add(chunk);
        }
        Ok(chunk.is_some())
    }

    /// Compares the digest with the program's output after the end, and returns the length.
    pub fn check(self) -> io::Result<u64> {
        let mut expected = Vec::new();
        write_records(self.number, &mut expected)?;
        let mut digest = Digest::default();
        digest.add(&expected);
        match self.pulled.result() == digest.result() {
            true => Ok(expected.len() as u64),
            false => Err(io::Error::other(format!("program {} delivered wrong bytes", self.number))),
        }
    }

    pub fn times_held(&self) -> u64 {
        self.chunks.stats().writer_waits
    }
}
