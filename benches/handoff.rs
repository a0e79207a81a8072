//! What does one ready chunk cost, from the program to the reader?
//!
//! `cargo bench --bench handoff`

use std::hint::black_box;
use std::io;
use std::iter::from_fn;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::FutureExt;
use generator::{Gn, done};
use pushpull::{Local, Pool, Thread};
use pushpull_benches::cores::Cores;

const CHUNKS: usize = 20_000;
const LEN: usize = 1024;
/// The number of these chunks that the default capacity of `Thread` holds.
const QUEUE: usize = 256;

fn chunk() -> Bytes {
    Bytes::from(vec![7; LEN])
}

fn check(bytes: usize) {
    assert_eq!(black_box(bytes), CHUNKS * LEN);
}

/// Calls a closure with each chunk: the simplest push.
fn dyn_call(chunk: &Bytes, sink: &mut dyn FnMut(Bytes)) {
    for _ in 0..CHUNKS {
        sink(chunk.clone());
    }
}

/// Measures contenders without a second thread. Chunks with a reference count cost two atomic operations each. Static
/// chunks cost as much as a slice in a language with garbage collection.
fn on_one_stack_or_two(group: &mut BenchmarkGroup<'_, WallTime>, of: &str, ready: &Bytes) {
    group.bench_function(format!("dyn call{of}"), |b| {
        b.iter(|| {
            let mut bytes = 0;
            dyn_call(black_box(ready), black_box(&mut |chunk: Bytes| bytes += chunk.len()));
            check(bytes);
        });
    });
    group.bench_function(format!("Local{of}"), |b| {
        b.iter(|| {
            let ready = ready.clone();
            let chunks = Local::new().pull(move |w| {
                for _ in 0..CHUNKS {
                    w.write_bytes(ready.clone())?;
                }
                Ok(())
            });
            check(chunks.map(|chunk: io::Result<Bytes>| chunk.unwrap().len()).sum());
        });
    });
    group.bench_function(format!("generator{of}"), |b| {
        b.iter(|| {
            let ready = ready.clone();
            let chunks = Gn::new_scoped(move |mut scope| {
                for _ in 0..CHUNKS {
                    scope.yield_(ready.clone());
                }
                done!()
            });
            check(chunks.map(|chunk: Bytes| chunk.len()).sum());
        });
    });
}

fn handoff(c: &mut Criterion) {
    let mut group = c.benchmark_group("handoff");
    group.throughput(Throughput::Elements(CHUNKS as u64));
    let ready = chunk();
    on_one_stack_or_two(&mut group, "", &ready);
    on_one_stack_or_two(&mut group, ", a static chunk", &Bytes::from_static(&[7; LEN]));
    group.bench_function("async-stream", |b| {
        b.iter(|| {
            let ready = ready.clone();
            let chunks = async_stream::stream! {
                for _ in 0..CHUNKS {
                    yield ready.clone();
                }
            };
            let sum = futures_util::StreamExt::fold(chunks, 0, async |sum, chunk: Bytes| sum + chunk.len());
            check(sum.now_or_never().unwrap());
        });
    });
    group.finish();
    for (name, cores) in Cores::all() {
        cores.host();
        let mut group = c.benchmark_group(format!("handoff/{name}"));
        group.throughput(Throughput::Elements(CHUNKS as u64)).sample_size(20);
        between_threads(&mut group, cores, "", &ready);
        between_threads(&mut group, cores, ", a static chunk", &Bytes::from_static(&[7; LEN]));
        group.finish();
    }
}

/// Measures contenders with a second thread. The count of a counted chunk moves from core to core: the program clones
/// one chunk while the reader drops another.
fn between_threads(group: &mut BenchmarkGroup<'_, WallTime>, cores: Cores, of: &str, ready: &Bytes) {
    group.bench_function(format!("Thread{of}"), |b| {
        b.iter(|| {
            let ready = ready.clone();
            let chunks = Thread::new().pull(move |w| {
                cores.program();
                (0..CHUNKS).try_for_each(|_| w.write_bytes(ready.clone()))
            });
            check(chunks.map(|chunk| chunk.unwrap().len()).sum());
        });
    });
    let pool = Pool::new(1);
    group.bench_function(format!("Pool{of}"), |b| {
        b.iter(|| {
            let ready = ready.clone();
            let chunks = pool.pull(move |w| {
                cores.program();
                (0..CHUNKS).try_for_each(|_| w.write_bytes(ready.clone()))
            });
            check(chunks.map(|chunk| chunk.unwrap().len()).sum());
        });
    });
    group.bench_function(format!("crossbeam bounded(256){of}"), |b| {
        b.iter(|| {
            let (sender, receiver) = crossbeam_channel::bounded(QUEUE);
            by_thread(cores, ready, move |chunk| sender.send(chunk).is_ok(), receiver.into_iter());
        });
    });
    group.bench_function(format!("std sync_channel(256){of}"), |b| {
        b.iter(|| {
            let (sender, receiver) = mpsc::sync_channel(QUEUE);
            by_thread(cores, ready, move |chunk| sender.send(chunk).is_ok(), receiver.into_iter());
        });
    });
    group.bench_function(format!("flume bounded(256){of}"), |b| {
        b.iter(|| {
            let (sender, receiver) = flume::bounded(QUEUE);
            by_thread(cores, ready, move |chunk| sender.send(chunk).is_ok(), receiver.into_iter());
        });
    });
    group.bench_function(format!("kanal bounded(256){of}"), |b| {
        b.iter(|| {
            let (sender, receiver) = kanal::bounded(QUEUE);
            by_thread(cores, ready, move |chunk| sender.send(chunk).is_ok(), from_fn(|| receiver.recv().ok()));
        });
    });
    group.bench_function(format!("tokio mpsc(256){of}"), |b| {
        b.iter(|| {
            let (sender, mut receiver) = tokio::sync::mpsc::channel(QUEUE);
            let send = move |chunk| sender.blocking_send(chunk).is_ok();
            by_thread(cores, ready, send, from_fn(|| receiver.blocking_recv()));
        });
    });
    // The ring cannot wait: both sides poll it, and yield in between.
    group.bench_function(format!("rtrb, looking{of}"), |b| {
        b.iter(|| {
            let (mut sender, mut receiver) = rtrb::RingBuffer::new(QUEUE);
            let send = move |mut chunk| loop {
                match sender.push(chunk) {
                    Ok(()) => return true,
                    Err(rtrb::PushError::Full(back)) => chunk = back,
                }
                thread::yield_now();
            };
            let receive = || loop {
                match receiver.pop() {
                    Ok(chunk) => return Some(chunk),
                    // Check the ring once more: a chunk can have arrived between the checks of the ring and of the
                    // sender.
                    Err(_) if receiver.is_abandoned() => return receiver.pop().ok(),
                    Err(_) => thread::yield_now(),
                }
            };
            by_thread(cores, ready, send, from_fn(receive));
        });
    });
}

/// Sends all chunks from a separate thread, through a channel.
fn by_thread(
    cores: Cores,
    ready: &Bytes,
    mut send: impl FnMut(Bytes) -> bool + Send + 'static,
    chunks: impl Iterator<Item = Bytes>,
) {
    let ready = ready.clone();
    let producer = thread::spawn(move || {
        cores.program();
        (0..CHUNKS).all(|_| send(ready.clone()))
    });
    check(chunks.map(|chunk| chunk.len()).sum());
    assert!(producer.join().unwrap());
}

criterion_group!(benches, handoff);
criterion_main!(benches);
