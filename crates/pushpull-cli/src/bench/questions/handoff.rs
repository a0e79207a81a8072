//! What does one ready chunk cost, from the program to the reader?

use std::hint::black_box;
use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use pushpull::{Local, Pool, Thread};

use super::Trial;
use crate::bench::report::Case;
use pushpull_measure::contender::Sizes;
use pushpull_measure::effort::Effort;
use pushpull_measure::figure::{Measure, Sample};
use pushpull_measure::workload::Workload;

const CHUNKS: usize = 64_000;
const LEN: usize = 1024;
/// The number of these chunks that the capacity holds.
const QUEUE: usize = Sizes::DEFAULT.capacity / LEN;

/// Moves a number of chunks and returns how many bytes arrived.
type Move = fn(Bytes, usize) -> io::Result<usize>;

const WAYS: [(&str, bool, Move); 7] = [
    ("dyn call", false, dyn_call),
    ("Local", true, local),
    ("Thread", true, thread),
    ("Pool", true, pool),
    ("crossbeam", false, crossbeam),
    ("sync_channel", false, sync_channel),
    ("tokio mpsc", false, tokio_mpsc),
];

pub fn trials(effort: Effort) -> Vec<Trial> {
    let trial = |(contender, engine, way): (&'static str, bool, Move)| {
        let chunks = CHUNKS / effort.divisor;
        Trial {
            case: Case::new(
                "a ready chunk of 1 KiB",
                &Workload::of_writes(LEN),
                Sizes { chunk: LEN, ..Sizes::DEFAULT },
            ),
            contender,
            engine,
            run: Box::new(move || measure(way, chunks)),
        }
    };
    WAYS.into_iter().map(trial).collect()
}

fn measure(way: Move, chunks: usize) -> io::Result<Sample> {
    let ready = Bytes::from(vec![7; LEN]);
    let start = Instant::now();
    let bytes = way(ready, chunks)?;
    let time = start.elapsed();
    if bytes != chunks * LEN {
        return Err(io::Error::other(format!("{bytes} bytes arrived: expected {}", chunks * LEN)));
    }
    Ok(Sample::from([(Measure::Time, time.as_secs_f64() / chunks as f64)]))
}

/// Calls a closure with each chunk: the simplest push.
fn dyn_call(ready: Bytes, chunks: usize) -> io::Result<usize> {
    let mut bytes = 0;
    let mut take = |chunk: Bytes| bytes += chunk.len();
    let sink: &mut dyn FnMut(Bytes) = black_box(&mut take);
    for _ in 0..chunks {
        sink(ready.clone());
    }
    Ok(bytes)
}

fn local(ready: Bytes, chunks: usize) -> io::Result<usize> {
    summed(Local::new().pull(move |w| (0..chunks).try_for_each(|_| w.write_bytes(ready.clone()))))
}

fn thread(ready: Bytes, chunks: usize) -> io::Result<usize> {
    summed(Thread::new().pull(move |w| (0..chunks).try_for_each(|_| w.write_bytes(ready.clone()))))
}

fn pool(ready: Bytes, chunks: usize) -> io::Result<usize> {
    summed(Pool::global().pull(move |w| (0..chunks).try_for_each(|_| w.write_bytes(ready.clone()))))
}

fn summed(mut chunks: impl Iterator<Item = io::Result<Bytes>>) -> io::Result<usize> {
    chunks.try_fold(0, |sum, chunk| Ok(sum + chunk?.len()))
}

fn crossbeam(ready: Bytes, chunks: usize) -> io::Result<usize> {
    let (sender, receiver) = crossbeam_channel::bounded(QUEUE);
    thread::Builder::new().spawn(move || (0..chunks).try_for_each(|_| sender.send(ready.clone())))?;
    Ok(receiver.into_iter().map(|chunk| chunk.len()).sum())
}

fn sync_channel(ready: Bytes, chunks: usize) -> io::Result<usize> {
    let (sender, receiver) = mpsc::sync_channel(QUEUE);
    thread::Builder::new().spawn(move || (0..chunks).try_for_each(|_| sender.send(ready.clone())))?;
    Ok(receiver.into_iter().map(|chunk| chunk.len()).sum())
}

fn tokio_mpsc(ready: Bytes, chunks: usize) -> io::Result<usize> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(QUEUE);
    thread::Builder::new().spawn(move || (0..chunks).try_for_each(|_| sender.blocking_send(ready.clone())))?;
    let mut bytes = 0;
    while let Some(chunk) = receiver.blocking_recv() {
        bytes += chunk.len();
    }
    Ok(bytes)
}
