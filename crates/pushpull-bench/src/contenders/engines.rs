//! The engines of pushpull.

use std::io;

use bytes::Bytes;
use pushpull::{Chunks, Stats, local};

use crate::contender::{About, Bridge, Contender, Placement, Program, Sizes};
use crate::queue::Producer;

/// `pushpull::Local`.
#[derive(Debug, Clone, Copy)]
pub struct Local;

/// `pushpull::Thread`.
#[derive(Debug, Clone, Copy)]
pub struct Thread;

/// `pushpull::Pool::global()`.
#[derive(Debug, Clone, Copy)]
pub struct Pool;

/// `pushpull::pipe`, with a thread for the program.
#[derive(Debug, Clone, Copy)]
pub struct Pipe;

impl Contender for Local {
    fn about(&self) -> About {
        About::engine("Local", Placement::Reader)
    }

    fn open(&self, sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
        Ok(Box::new(pushpull::Local::new().chunk_size(sizes.chunk).pull(move |w| program.run(w))))
    }

    fn hand_over(&self, chunk: Bytes, times: usize) -> Option<io::Result<usize>> {
        let program = move |w: &mut local::Writer| (0..times).try_for_each(|_| w.write_bytes(chunk.clone()));
        Some(summed(pushpull::Local::new().pull(program)))
    }
}

impl Contender for Thread {
    fn about(&self) -> About {
        About::engine("Thread", Placement::Thread)
    }

    fn open(&self, sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
        let engine = pushpull::Thread::new().chunk_size(sizes.chunk).capacity(sizes.capacity);
        Ok(Box::new(engine.pull(move |w| program.run(w))))
    }

    fn hand_over(&self, chunk: Bytes, times: usize) -> Option<io::Result<usize>> {
        let program = move |w: &mut pushpull::Writer| (0..times).try_for_each(|_| w.write_bytes(chunk.clone()));
        Some(summed(pushpull::Thread::new().pull(program)))
    }
}

impl Contender for Pool {
    fn about(&self) -> About {
        About::engine("Pool", Placement::Workers)
    }

    fn open(&self, sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
        let engine = pushpull::Pool::global().clone().chunk_size(sizes.chunk).capacity(sizes.capacity);
        Ok(Box::new(engine.pull(move |w| program.run(w))))
    }

    fn hand_over(&self, chunk: Bytes, times: usize) -> Option<io::Result<usize>> {
        let program = move |w: &mut pushpull::Writer| (0..times).try_for_each(|_| w.write_bytes(chunk.clone()));
        Some(summed(pushpull::Pool::global().pull(program)))
    }
}

impl Contender for Pipe {
    fn about(&self) -> About {
        About::engine("pipe()", Placement::Thread)
    }

    fn open(&self, sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
        let (mut writer, chunks) = pushpull::pipe(sizes.capacity);
        let producer = Producer::start(move || {
            program.run(&mut writer)?;
            writer.finish()
        })?;
        Ok(Box::new(Piped { chunks, producer }))
    }
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

fn summed(mut chunks: impl Iterator<Item = io::Result<Bytes>>) -> io::Result<usize> {
    chunks.try_fold(0, |sum, chunk| Ok(sum + chunk?.len()))
}
