//! What does one ready chunk cost, from the program's hands into the host's?
//!
//! `cargo bench --bench handoff`

mod baseline;

use std::hint::black_box;
use std::io;
use std::sync::mpsc;
use std::thread;

use baseline::cores::Cores;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use generator::{Gn, done};
use pushpull::{Local, Pool, Thread};

const CHUNKS: usize = 20_000;
const LEN: usize = 1024;
/// As many of these as the default capacity of `Thread` holds.
const QUEUE: usize = 256;

fn chunk() -> Bytes {
    Bytes::from(vec![7; LEN])
}

fn check(bytes: usize) {
    assert_eq!(black_box(bytes), CHUNKS * LEN);
}

/// The plainest push there is: the program calls a closure.
fn dyn_call(chunk: &Bytes, sink: &mut dyn FnMut(Bytes)) {
    for _ in 0..CHUNKS {
        sink(chunk.clone());
    }
}

fn handoff(c: &mut Criterion) {
    let mut group = c.benchmark_group("handoff");
    group.throughput(Throughput::Elements(CHUNKS as u64));
    let ready = chunk();
    group.bench_function("dyn call", |b| {
        b.iter(|| {
            let mut bytes = 0;
            dyn_call(black_box(&ready), black_box(&mut |chunk: Bytes| bytes += chunk.len()));
            check(bytes);
        });
    });
    group.bench_function("Local", |b| {
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
    group.bench_function("generator", |b| {
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
    group.finish();
    for (name, cores) in Cores::all() {
        cores.host();
        between_threads(c, name, cores);
    }
}

fn between_threads(c: &mut Criterion, name: &str, cores: Cores) {
    let mut group = c.benchmark_group(format!("handoff/{name}"));
    group.throughput(Throughput::Elements(CHUNKS as u64)).sample_size(20);
    let ready = chunk();
    group.bench_function("Thread", |b| {
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
    group.bench_function("Pool", |b| {
        b.iter(|| {
            let ready = ready.clone();
            let chunks = pool.pull(move |w| {
                cores.program();
                (0..CHUNKS).try_for_each(|_| w.write_bytes(ready.clone()))
            });
            check(chunks.map(|chunk| chunk.unwrap().len()).sum());
        });
    });
    group.bench_function("crossbeam bounded(256)", |b| {
        b.iter(|| {
            let ready = ready.clone();
            let (sender, receiver) = crossbeam_channel::bounded::<Bytes>(QUEUE);
            let producer = thread::spawn(move || {
                cores.program();
                (0..CHUNKS).try_for_each(|_| sender.send(ready.clone()))
            });
            check(receiver.into_iter().map(|chunk| chunk.len()).sum());
            producer.join().unwrap().unwrap();
        });
    });
    group.bench_function("std sync_channel(256)", |b| {
        b.iter(|| {
            let ready = ready.clone();
            let (sender, receiver) = mpsc::sync_channel::<Bytes>(QUEUE);
            let producer = thread::spawn(move || {
                cores.program();
                (0..CHUNKS).try_for_each(|_| sender.send(ready.clone()))
            });
            check(receiver.into_iter().map(|chunk| chunk.len()).sum());
            producer.join().unwrap().unwrap();
        });
    });
    group.finish();
}

criterion_group!(benches, handoff);
criterion_main!(benches);
