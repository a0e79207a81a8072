//! The engines as contenders.

use std::io;

use bytes::Bytes;
use pushpull::{Chunks, Local, Pool, Stats, Thread, local};

use super::by_hand::Producer;
use super::contender::{Bridge, Program, Sizes};

pub fn local(sizes: Sizes, program: impl Program) -> Box<dyn Bridge> {
    Box::new(Local::new().chunk_size(sizes.chunk).pull(move |w| program.run(w)))
}

pub fn thread(sizes: Sizes, program: impl Program) -> Box<dyn Bridge> {
    let engine = Thread::new().chunk_size(sizes.chunk).capacity(sizes.capacity);
    Box::new(engine.pull(move |w| program.run(w)))
}

pub fn pool(sizes: Sizes, program: impl Program) -> Box<dyn Bridge> {
    let engine = Pool::global().clone().chunk_size(sizes.chunk).capacity(sizes.capacity);
    Box::new(engine.pull(move |w| program.run(w)))
}

/// Opens `pushpull::pipe`, with a thread for the program.
///
/// # Errors
///
/// Returns an error if the system refuses a thread.
pub fn pipe(sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
    let (mut writer, chunks) = pushpull::pipe(sizes.capacity);
    let producer = Producer::start(move || {
        program.run(&mut writer)?;
        writer.finish()
    })?;
    Ok(Box::new(Piped { chunks, producer }))
}

struct Piped {
    chunks: Chunks,
    producer: Producer,
}

impl Bridge for Piped {
    fn pull(&mut self, take: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        Ok(give(self.chunks.next(), take)? || self.producer.finish().map(|()| false)?)
    }

    fn stats(&self) -> Option<Stats> {
        Some(self.chunks.stats())
    }
}

impl Bridge for Chunks {
    fn pull(&mut self, take: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        give(self.next(), take)
    }

    fn stats(&self) -> Option<Stats> {
        Some(Chunks::stats(self))
    }
}

impl Bridge for local::Chunks {
    fn pull(&mut self, take: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        give(self.next(), take)
    }

    fn stats(&self) -> Option<Stats> {
        Some(local::Chunks::stats(self))
    }
}

fn give(next: Option<io::Result<Bytes>>, take: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
    let Some(chunk) = next.transpose()? else { return Ok(false) };
    take(&chunk);
    Ok(true)
}
