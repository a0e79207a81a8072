//! The writing program and the reader of a workload. Both count and add up every byte. If the run records writes, each
//! record of the stream starts with the time of its write.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::contender::Program;
use crate::pace::{self, Pace};
use crate::run::checksum::Checksum;

/// The size of a timestamp.
const STAMP: usize = size_of::<u64>();

/// A write that takes longer than this plus 1 µs per kilobyte was blocked: nothing else takes that long.
const HELD: Duration = Duration::from_micros(10);

/// Counters shared by both sides of all bridges of a run.
#[derive(Debug)]
pub struct Notes {
    start: Instant,
    /// The number of pauses in which a thread slept.
    slept: AtomicU64,
    held: AtomicU64,
}

impl Notes {
    pub fn new() -> Arc<Notes> {
        Arc::new(Notes { start: Instant::now(), slept: AtomicU64::new(0), held: AtomicU64::new(0) })
    }

    /// Pauses the calling thread, and counts the pause.
    pub fn pause(&self, time: Duration) {
        let slept = pace::pause(time);
        self.slept.fetch_add(u64::from(slept), Ordering::Relaxed);
    }

    pub fn slept(&self) -> u64 {
        self.slept.load(Ordering::Relaxed)
    }

    /// Returns the time that writes were blocked, summed over all programs.
    pub fn held(&self) -> Duration {
        Duration::from_nanos(self.held.load(Ordering::Relaxed))
    }
}

/// The bytes in flight on one bridge.
#[derive(Debug, Default)]
pub struct Flight {
    accepted: AtomicUsize,
    pulled: AtomicUsize,
    most: AtomicUsize,
}

impl Flight {
    /// Returns the maximum number of bytes accepted and not yet pulled. A chunk that is being handed over can be
    /// included, so the figure can be a chunk too high.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    fn accept(&self, len: usize) {
        let accepted = self.accepted.load(Ordering::Relaxed) + len;
        self.accepted.store(accepted, Ordering::Relaxed);
        let flying = accepted.saturating_sub(self.pulled.load(Ordering::Relaxed));
        self.most.fetch_max(flying, Ordering::Relaxed);
    }
}

/// The counters that a watched program updates.
#[derive(Debug, Clone)]
pub struct Watch {
    pub notes: Arc<Notes>,
    pub flight: Arc<Flight>,
}

/// A program that repeats the same write.
pub struct Writes {
    pub data: Arc<[u8]>,
    pub times: u64,
    /// Receives the checksum of everything written, at the end.
    pub done: Sender<Checksum>,
}

impl Program for Writes {
    fn run(self, w: &mut impl Write) -> io::Result<()> {
        for _ in 0..self.times {
            w.write_all(&self.data)?;
        }
        let mut sum = Checksum::default();
        sum.take(&self.data);
        let _ = self.done.send(sum.times(self.times));
        Ok(())
    }
}

/// The watched program: it writes timestamps into the stream, and pauses.
pub struct Stamped {
    pub writes: Writes,
    pub pace: Pace,
    pub watch: Watch,
}

/// Returns how many writes of this length have room for a timestamp.
fn writes_a_record(write: usize) -> usize {
    STAMP.div_ceil(write)
}

impl Program for Stamped {
    fn run(self, w: &mut impl Write) -> io::Result<()> {
        let Stamped { writes: Writes { data, times, done }, pace, watch } = self;
        let mut record = data.repeat(writes_a_record(data.len()));
        let mut sum = Checksum::default();
        let mut number = 0;
        while number < times {
            let stamp = watch.notes.start.elapsed().as_nanos() as u64;
            record[..STAMP].copy_from_slice(&stamp.to_le_bytes());
            for write in record.chunks(data.len()).take((times - number) as usize) {
                let before = Instant::now();
                w.write_all(write)?;
                let took = before.elapsed();
                if took > HELD + Duration::from_nanos(write.len() as u64) {
                    watch.notes.held.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
                }
                watch.flight.accept(write.len());
                sum.take(write);
                if let Some(time) = pace.after(number) {
                    watch.notes.pause(time);
                }
                number += 1;
            }
        }
        let _ = done.send(sum);
        Ok(())
    }
}

/// The reader of a watched bridge: it finds the timestamps in the stream.
pub struct Reading {
    watch: Watch,
    record: usize,
    /// The number of bytes of the record that have arrived.
    at: usize,
    stamp: [u8; STAMP],
    /// The times from a write to the pull of its last byte, in nanoseconds.
    latencies: Vec<u64>,
}

impl Reading {
    pub fn new(write: usize, watch: Watch) -> Reading {
        let record = write * writes_a_record(write);
        Reading { watch, record, at: 0, stamp: [0; STAMP], latencies: Vec::new() }
    }

    pub fn take(&mut self, mut chunk: &[u8]) {
        let now = self.watch.notes.start.elapsed().as_nanos() as u64;
        self.watch.flight.pulled.fetch_add(chunk.len(), Ordering::Relaxed);
        while !chunk.is_empty() {
            if self.at < STAMP {
                let len = chunk.len().min(STAMP - self.at);
                self.stamp[self.at..self.at + len].copy_from_slice(&chunk[..len]);
            }
            let len = chunk.len().min(self.record - self.at);
            chunk = &chunk[len..];
            self.at += len;
            if self.at == self.record {
                self.at = 0;
                self.latencies.push(now.saturating_sub(u64::from_le_bytes(self.stamp)));
            }
        }
    }

    pub fn into_latencies(self) -> Vec<u64> {
        self.latencies
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn stamps_are_found_wherever_the_stream_is_split() {
        for (write, times) in [(1, 64), (3, 24), (8, 10), (100, 10)] {
            let watch = Watch { notes: Notes::new(), flight: Arc::default() };
            let (done, told) = mpsc::channel();
            let writes = Writes { data: vec![7; write].into(), times, done };
            let mut stream = Vec::new();
            Stamped { writes, pace: Pace::Full, watch: watch.clone() }.run(&mut stream).unwrap();
            assert_eq!((told.recv().unwrap().bytes(), watch.flight.most()), (stream.len() as u64, stream.len()));
            for size in [1, 2, 7, 8, 9, 1000] {
                let mut reading = Reading::new(write, watch.clone());
                stream.chunks(size).for_each(|chunk| reading.take(chunk));
                let latencies = reading.into_latencies();
                assert_eq!(latencies.len(), times as usize / writes_a_record(write), "{write} in {size}");
                assert!(latencies.iter().all(|latency| *latency < 60_000_000_000), "{latencies:?}");
            }
        }
    }
}
