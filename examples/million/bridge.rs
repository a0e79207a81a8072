//! One of the programs, and what it has to write.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::Stream;
use pushpull::{Chunks, Pool};
use serde::Serialize;

/// How many records each program writes.
const RECORDS: usize = 16;

/// How much of it a program may have written before it is held: one chunk.
const CHUNK: usize = 256;

#[derive(Serialize)]
struct Record<'a> {
    program: usize,
    record: usize,
    kind: &'a str,
    values: [u32; 3],
    ok: bool,
}

pub fn pool(workers: usize) -> Pool {
    Pool::new(workers).chunk_size(CHUNK).capacity(CHUNK)
}

/// The program: anything that implements `Write` would do for it.
fn write_records(number: usize, w: &mut impl Write) -> io::Result<()> {
    for record in 0..RECORDS {
        let values = [number as u32, record as u32, (number * 31 + record) as u32];
        let record = Record { program: number, record, kind: "measurement", values, ok: number.is_multiple_of(2) };
        serde_json::to_writer(&mut *w, &record)?;
        w.write_all(b"\n")?;
    }
    Ok(())
}

/// One program's chunks, and how far they were checked.
pub struct Bridge {
    number: usize,
    chunks: Chunks,
    pulled: Option<Bytes>,
    checked: usize,
}

impl Bridge {
    pub fn new(pool: &Pool, number: usize) -> Bridge {
        let chunks = pool.pull(move |w| write_records(number, w));
        Bridge { number, chunks, pulled: None, checked: 0 }
    }

    /// Starts the program, as an asynchronous host does that asks for the first chunk and has other things to do.
    pub fn start(&mut self) -> io::Result<()> {
        let polled = Pin::new(&mut self.chunks).poll_next(&mut Context::from_waker(Waker::noop()));
        match polled {
            Poll::Ready(pulled) => self.pulled = pulled.transpose()?,
            Poll::Pending => {}
        }
        Ok(())
    }

    /// Pulls the next chunk, to be checked before another. Says whether there was one.
    pub fn pull(&mut self) -> io::Result<bool> {
        if self.pulled.is_none() {
            self.pulled = self.chunks.next().transpose()?;
        }
        Ok(self.pulled.is_some())
    }

    /// Compares what was pulled last with what the program has to write.
    pub fn check(&mut self) -> io::Result<()> {
        let Some(chunk) = self.pulled.take() else { return Ok(()) };
        let expected = self.expected()?;
        if expected.get(self.checked..self.checked + chunk.len()) != Some(&chunk[..]) {
            return Err(io::Error::other(format!("program {} wrote something else", self.number)));
        }
        self.checked += chunk.len();
        Ok(())
    }

    /// Says how many bytes there were, when they have ended.
    pub fn finish(self) -> io::Result<u64> {
        match self.checked == self.expected()?.len() {
            true => Ok(self.checked as u64),
            false => Err(io::Error::other(format!("program {} wrote too little", self.number))),
        }
    }

    pub fn times_held(&self) -> u64 {
        self.chunks.stats().writer_waits
    }

    fn expected(&self) -> io::Result<Vec<u8>> {
        let mut expected = Vec::new();
        write_records(self.number, &mut expected)?;
        Ok(expected)
    }
}
